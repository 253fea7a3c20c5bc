# Runs in the bottle as the agent's user, before the agent does and before any key is there: asks ssh hosts through
# the sidecar for their public key, as far as ssh itself gets before it authenticates, so that the host has proved
# that the key is its own.
# `ssh_host_keys.pl SIDECAR_IP PORT (HOST HOST_PORT USER ALGORITHMS)…` prints `HOST HOST_PORT TYPE BASE64` lines.
use strict;
use warnings;
use POSIX ();
use Socket;
use Time::HiRes qw(ualarm);

my $CONNECT = '/usr/local/lib/claude-bottle/ssh_connect.pl';
my $DIRECTORY = '/run/env';
my $SIDECAR_DEADLINE = 10;
my $HOST_DEADLINE = 30;

sub fail { print STDERR "claude-bottle: $_[0]\n"; exit 1 }

# The image's own variables must not decide how the host is reached.
%ENV = (PATH => '/usr/bin:/bin', LC_ALL => 'C', HOME => '/nonexistent');

# The bottle starts while its sidecar still does.
sub await_sidecar {
    my ($ip, $port) = @_;
    my $address = pack_sockaddr_in($port, inet_aton($ip));
    my $deadline = time + $SIDECAR_DEADLINE;
    while (1) {
        socket(my $socket, PF_INET, SOCK_STREAM, 0) or fail("cannot make a socket: $!");
        # Short tries: one that begins before the sidecar has its address would wait for long.
        local $SIG{ALRM} = sub { };
        ualarm(100_000);
        my $connected = connect($socket, $address);
        ualarm(0);
        close($socket);
        return if $connected;
        fail("the sidecar did not answer within $SIDECAR_DEADLINE s") if time > $deadline;
        select(undef, undef, undef, 0.02);
    }
}

# What a command says on stderr; ended after a while, with all that it started.
sub words_of {
    my (@command) = @_;
    pipe(my $read, my $write) or fail("cannot make a pipe: $!");
    my $pid = fork;
    fail("cannot fork: $!") unless defined $pid;
    if (!$pid) {
        POSIX::setsid();
        open(my $null, '+<', '/dev/null') or POSIX::_exit(1);
        POSIX::dup2(fileno $null, $_) for 0, 1;
        POSIX::dup2(fileno $write, 2);
        { no warnings 'exec'; exec { $command[0] } @command; }
        print STDERR "cannot run $command[0]: $!\n";
        POSIX::_exit(127);
    }
    close $write;
    local $SIG{ALRM} = sub { kill('KILL', -$pid) };
    alarm $HOST_DEADLINE;
    my $words = do { local $/; <$read> } // '';
    waitpid $pid, 0;
    alarm 0;
    return $words;
}

sub host_key {
    my ($sidecar, $port, $host, $host_port, $user, $algorithms) = @_;
    my $file = "$DIRECTORY/host-key.$$";
    my @settings = (
        'BatchMode yes',
        'CheckHostIP no',
        'ConnectionAttempts 1',
        'GlobalKnownHostsFile /dev/null',
        'HashKnownHosts no',
        "HostKeyAlgorithms $algorithms",
        'IdentitiesOnly yes',
        'IdentityAgent none',
        'IdentityFile none',
        'LogLevel ERROR',
        'PreferredAuthentications none',
        "ProxyCommand /usr/bin/perl $CONNECT $sidecar $port %h %p",
        'StrictHostKeyChecking accept-new',
        'UpdateHostKeys no',
        "UserKnownHostsFile $file",
    );
    my $words = words_of('/usr/bin/ssh', '-F', '/dev/null', '-N', '-T', '-p', $host_port, '-l', $user,
        (map { ('-o', $_) } @settings), '--', $host);
    my @lines = do { open(my $in, '<', $file); $in ? <$in> : () };
    unlink($file);
    return $1 if @lines == 1 && $lines[0] =~ /^\S+ ([a-z0-9@.-]+ [A-Za-z0-9+\/]+={0,2})$/;
    my ($why) = $words =~ /^(claude-bottle: .*)$/m;
    ($why) = $words =~ /(\S.*)/ unless defined $why;
    $why //= "it did not answer within $HOST_DEADLINE s";
    $why =~ s/^claude-bottle: //;
    fail("the host key of $host:$host_port cannot be learned: $why");
}

my ($sidecar, $port, @hosts) = @ARGV;
await_sidecar($sidecar, $port);
while (my @host = splice(@hosts, 0, 4)) {
    print "$host[0] $host[1] ", host_key($sidecar, $port, @host), "\n";
}
