# ssh's way out of the bottle: `ssh_connect.pl SIDECAR_IP PORT HOST HOST_PORT` asks the sidecar for a tunnel and
# copies both ways between it and our own stdin and stdout. A refusal becomes one readable sentence.
use strict;
use warnings;
use Errno qw(EINTR);
use POSIX qw(WNOHANG);
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY);

my $DEADLINE = 60;
my $LONGEST_HEAD = 16_384;
my $LONGEST_REASON = 300;

my ($ip, $port, $host, $host_port) = @ARGV;
die "usage: ssh_connect.pl SIDECAR_IP PORT HOST HOST_PORT\n"
    unless defined $host_port && "$host:$host_port" =~ /\A[A-Za-z0-9._-]+:[0-9]{1,5}\z/;

sub fail { print STDERR "claude-bottle: $host:$host_port $_[0]\n"; exit 1 }

# Why the sidecar refuses, in its own words but for what they say again.
sub reason {
    my ($status, $text) = @_;
    $text =~ s/\s+/ /g;
    $text =~ s/[^\x20-\x7e]/?/g;
    $text =~ s/\A ?(?:claude-bottle )?(?:(?:refused|cannot reach) \S+:\d+: )?//;
    $text =~ s/\A ?CONNECT blocked: //;
    $text =~ s/ \z//;
    return substr($text, 0, $LONGEST_REASON) if $text ne '';
    return $status =~ /\A5/ ? "the host did not answer the sidecar ($status)" : "it answered $status";
}

sub write_all {
    my ($handle, $bytes) = @_;
    while ($bytes ne '') {
        my $sent = syswrite($handle, $bytes);
        next if !defined $sent && $! == EINTR;
        return unless defined $sent;
        substr($bytes, 0, $sent, '');
    }
    return 1;
}

# Up to the end of the answer's head; what came behind it is returned as well.
sub answer {
    my ($sidecar) = @_;
    my $bytes = '';
    until ($bytes =~ /\r?\n\r?\n/) {
        fail('cannot be reached: the sidecar ended the connection') unless sysread($sidecar, $bytes, 4096, length $bytes);
        fail('cannot be reached: the sidecar answers with what is no HTTP') if length $bytes > $LONGEST_HEAD;
    }
    return $bytes =~ /\A(.*?)\r?\n\r?\n(.*)\z/s;
}

sub tunnel {
    socket(my $sidecar, PF_INET, SOCK_STREAM, 0) or fail("cannot be reached: $!");
    connect($sidecar, pack_sockaddr_in($port, inet_aton($ip))) or fail("cannot be reached: the sidecar does not answer");
    setsockopt($sidecar, IPPROTO_TCP, TCP_NODELAY, 1);
    write_all($sidecar, "CONNECT $host:$host_port HTTP/1.1\r\nHost: $host:$host_port\r\n\r\n");
    my ($head, $rest) = answer($sidecar);
    my ($status) = $head =~ m{\AHTTP/1\.[01] (\d{3})};
    return ($sidecar, $rest) if defined $status && $status =~ /\A2/;
    fail('cannot be reached: the sidecar answers with what is no HTTP') unless defined $status;
    my ($length) = $head =~ /^Content-Length: *(\d+)/im;
    while (length $rest < 4096 && (!defined $length || length $rest < $length)) {
        last unless sysread($sidecar, $rest, 4096, length $rest);
    }
    my $why = reason($status, $rest);
    # Pipelock refuses what it cannot resolve in the words of its own check.
    fail('cannot be reached: the host is allowed, but its name does not resolve') if $why =~ /DNS resolution error/;
    fail($status == 403 ? "is refused by the sidecar: $why" : "cannot be reached: $why");
}

# Copies until the source has ended or the target takes no more; how many bytes came.
sub copy {
    my ($from, $to) = @_;
    my $all = 0;
    while (1) {
        my $got = sysread($from, my $bytes, 65_536);
        next if !defined $got && $! == EINTR;
        return $all unless $got;
        $all += $got;
        return $all unless write_all($to, $bytes);
    }
}

# A process for each direction, so that neither waits for the other. An end is passed on, and the other direction
# goes on without it. `$first` is what the host has said already.
sub copy_both_ways {
    my ($sidecar, $first) = @_;
    my $pid = fork;
    fail("cannot be reached: $!") unless defined $pid;
    if (!$pid) {
        close(STDOUT);
        copy(\*STDIN, $sidecar);
        shutdown($sidecar, SHUT_WR);
        exit 0;
    }
    close(STDIN);
    my $all = length($first) + copy($sidecar, \*STDOUT);
    # ssh would say no more than that something closed. Had our own side ended first, nobody would ask.
    fail('ended the connection before it said anything') unless $all || waitpid($pid, WNOHANG) > 0;
    close(STDOUT);
    waitpid($pid, 0);
}

$SIG{PIPE} = 'IGNORE';
$SIG{ALRM} = sub { fail('cannot be reached: the sidecar did not answer in time') };
alarm $DEADLINE;
my ($sidecar, $first) = tunnel();
alarm 0;
write_all(\*STDOUT, $first) or exit 1;
copy_both_ways($sidecar, $first);
