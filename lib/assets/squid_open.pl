# Opens the sidecar of a bottle with inspected hosts: run by `docker exec -i` as its user, with the frames of `opening.ts`
# on stdin and its answer on stdout. The first run makes the bottle's own authority, whose key never leaves this tmpfs,
# and lets the supervisor start; later ones only bring secrets. What is wrong ends it with status 1 and a line on stderr.
use strict;
use warnings;
use Fcntl qw(:flock O_WRONLY O_CREAT O_TRUNC);

my ($place, $rules) = @ARGV ? @ARGV : ('/run/inspection', '/config/inspection');
my $most = 1 << 20;
# What a secret may hold where it is to stand; `injected.ts` says the same.
my %form = (
    bearer => qr/\A[\x21-\x7e]+\z/,
    basic => qr/\A[^\x00-\x1f\x7f]+\z/,
    header => qr/\A[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\z/,
);

sub give_up { print STDERR "claude-bottle sidecar: @_\n"; exit 1 }

# Never a moment with half of it: what reads it reads the old one or the new one.
sub put {
    my ($name, $text) = @_;
    sysopen my $file, "$place/$name.new", O_WRONLY | O_CREAT | O_TRUNC, 0600 or give_up("cannot write $name: $!");
    print {$file} $text and close $file or give_up("cannot write $name: $!");
    rename "$place/$name.new", "$place/$name" or give_up("cannot write $name: $!");
}

sub got { my ($name) = @_; open my $file, '<', "$place/$name" or return; local $/; return scalar <$file> }

sub run {
    my @command = @_;
    open my $null, '>', '/dev/null' or give_up("cannot open /dev/null: $!");
    my $pid = fork // give_up("cannot fork: $!");
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $null;
        open STDERR, '>&', $null;
        exec @command or exit 127;
    }
    waitpid $pid, 0;
    give_up("$command[0] failed") if $?;
}

# Names and secrets of /config/inspection: which hosts the authority may sign for, which variables have a secret.
sub asked_for {
    open my $file, '<', $rules or give_up("cannot read the rules: $!");
    my (@hosts, %kind);
    while (<$file>) {
        chomp;
        my ($word, @values) = split / /;
        push @hosts, $values[0] =~ s/\A\*\.//r if $word eq 'host';
        push @{ $kind{ $values[0] } }, $values[1] if $word eq 'secret';
    }
    return (\@hosts, \%kind);
}

sub make_authority {
    my ($hosts) = @_;
    my %once = map { $_ => 1 } @$hosts;
    my $number = 0;
    my $permitted = join '', map { 'permitted;DNS.' . ++$number . "=$_\n" } sort keys %once;
    open my $random, '<:raw', '/dev/urandom' or give_up("cannot read random bytes: $!");
    read($random, my $bytes, 8) == 8 or give_up('no random bytes');
    my $name = unpack 'H*', $bytes;
    put('authority.cnf', <<"CONFIGURATION");
[req]
distinguished_name=name
x509_extensions=extensions
prompt=no
[name]
O=claude-bottle
CN=claude-bottle $name
[extensions]
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign
subjectKeyIdentifier=hash
nameConstraints=critical,\@names
[names]
${permitted}excluded;IP.1=0.0.0.0/0.0.0.0
excluded;IP.2=::/::
CONFIGURATION
    my @file = ('-config', "$place/authority.cnf", '-keyout', "$place/key.pem", '-out', "$place/certificate.pem");
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '365', @file);
    run('/usr/lib/squid/security_file_certgen', '-c', '-s', "$place/db", '-M', '4MB') if !-e "$place/db";
    open my $hash, '-|', 'openssl', 'x509', '-in', "$place/certificate.pem", '-noout', '-hash' or give_up("cannot run openssl: $!");
    chomp(my $digits = <$hash> // '');
    close $hash;
    $digits =~ /\A[0-9a-f]{8}\z/ or give_up('the authority has no hash');
    put('hash', $digits);
    put('authority.pem', (got('certificate.pem') // give_up('no certificate')) . (got('key.pem') // give_up('no key')));
    unlink map { "$place/$_" } qw(authority.cnf key.pem);
}

# All frames, or none: each is `LENGTH:TEXT,`, and the last one is empty.
sub frames {
    binmode STDIN;
    my $all = '';
    while (1) {
        my $count = read STDIN, $all, 65536, length $all;
        give_up("cannot read the secrets: $!") if !defined $count;
        give_up('the secrets are too long') if length $all > $most;
        last if !$count;
    }
    my @found;
    while ($all =~ s/\A(0|[1-9]\d{0,6})://) {
        my $length = $1;
        length $all > $length && substr($all, $length, 1) eq ',' or last;
        my $frame = substr $all, 0, $length;
        substr($all, 0, $length + 1) = '';
        return @found if !$length && !length $all;
        push @found, $frame;
    }
    give_up('the secrets did not arrive as they were sent');
}

umask 077;
my @frames = frames();
my ($hosts, $kind) = asked_for();
open my $lock, '>>', "$place/lock" or give_up("cannot write its files: $!");
flock $lock, LOCK_EX or give_up("cannot lock: $!");
my %known = map { my ($env, @pair) = split /\t/, $_, 3; $env => \@pair } split /\n/, got('secrets') // '';
for (@frames) {
    my ($env, $placeholder, $secret) = split /\0/, $_, 3;
    defined $secret && $kind->{$env} or give_up('a secret that no inspected host asks for');
    $placeholder =~ /\A[A-Za-z0-9_-]{8,4096}\z/ or give_up("the placeholder of $env cannot stand in a request");
    length $secret <= 4096 && $secret =~ $form{$_} or give_up("the secret of $env cannot stand in a request")
        for @{ $kind->{$env} };
    $known{$env} = [$known{$env} ? $known{$env}[0] : $placeholder, $secret];
}
make_authority($hosts) if !-e "$place/authority.pem";
put('secrets', join '', map { join("\t", $_, @{ $known{$_} }) . "\n" } sort keys %known);
if (!-e "$place/opened") {
    put('opened', '');
    kill 'HUP', 1 or give_up("cannot wake the supervisor: $!");
}
print "placeholder $_ $known{$_}[0]\n" for sort keys %known;
print 'hash ', got('hash'), "\n", got('certificate.pem'), "\nready\n";
