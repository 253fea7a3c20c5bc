# A small program for a terminal, as full-screen ones are: raw, on the second screen, its cursor hidden. It tells each
# byte that it is given, and each size of its window; z stops it as Ctrl-Z does, and what it then does by itself.
use strict;
use warnings;

$| = 1;
my $MODES = '1049 1000 1006 2004';

sub raw {
    system('stty raw -echo');
    print map { "\e[?${_}h" } split / /, $MODES;
    print "\e[?25l";
}

sub say_line { print @_, "\r\n" }

sub size {
    my $size = `stty size`;
    chomp $size;
    return $size;
}

# Ends the raw mode, stops by `$how`, and goes on where somebody has it go on.
sub stop {
    my ($how, $whom) = @_;
    system('stty sane');
    kill($how, $whom);
    system('stty raw -echo');
    say_line("resumed after $how");
}

# All that comes until a Ctrl-D.
sub take_paste {
    my $text = '';
    while ($text !~ /\x04/) { sysread(STDIN, $text, 65536, length $text) }
    $text =~ s/\x04.*//s;
    say_line('pasted ', length $text, ' ', unpack('%32C*', $text));
}

$SIG{WINCH} = sub { say_line('size ', size()) };
raw();
say_line('ready ', size());
while (1) {
    my $got = sysread(STDIN, my $key, 1);
    next if !defined $got;
    exit 9 if $got == 0;
    if ($key eq "\x1a") { stop('STOP', $$) }
    elsif ($key eq 'g') { stop('STOP', 0) }
    elsif ($key eq 't') { stop('TSTP', 0) }
    elsif ($key eq 'p') { say_line('paste'); take_paste() }
    elsif ($key eq 'K') { kill('TERM', $$) }
    else { say_line(sprintf('key %02x', ord $key)) }
}
