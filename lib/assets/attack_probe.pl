# Makes attempts to get out of a bottle, as its agent would. Each argument is one: ID, then its acts separated by `;`;
# words are percent-encoded, `%` alone is an empty one. Each is a process of its own, all at the same time. For each
# a line on stdout: ID, how the acts ended, the beginning of what came back, separated by tabs, the last two encoded.
use strict;
use warnings;
use Errno qw(EINPROGRESS ECONNREFUSED);
use IO::Select;
use Socket qw(:DEFAULT :addrinfo IPPROTO_TCP IPPROTO_UDP IPPROTO_ICMP IPPROTO_IP);

# Seconds: for a connection, for an answer, and for one attempt as a whole.
my ($CONNECT, $ANSWER, $WHOLE) = (4, 3, 20);
my $KEPT = 600;
my $AF_PACKET = 17;
my $ETH_P_ALL = 0x0300;

sub encoded { my ($text) = @_; return '%' if $text eq ''; $text =~ s/([^A-Za-z0-9._:\/-])/sprintf '%%%02x', ord $1/ge; return $text }
sub decoded { my ($word) = @_; return '' if $word eq '%'; $word =~ s/%([0-9a-f]{2})/chr hex $1/ge; return $word }

# Everything that came until there was silence, the other side closed, or the end of a header was seen.
sub answer {
    my ($socket) = @_;
    my ($all, $select, $end) = ('', IO::Select->new($socket), time + $ANSWER);
    while (time <= $end && $select->can_read($ANSWER)) {
        my $read = sysread($socket, $all, 4096, length $all);
        last if !$read || $all =~ /\r\n\r\n/ || length $all > 65536;
        $end = time + 1;
    }
    return $all;
}

# Writes each part, after the answer to the one before it.
sub exchange {
    my ($socket, @sends) = @_;
    my $all = '';
    $socket->blocking(1);
    for my $send (@sends) {
        last unless defined syswrite($socket, $send);
        $all .= answer($socket);
    }
    return ('connected', $all);
}

# A connected stream socket to a packed address, or the reason why there is none.
sub connected {
    my ($family, $address, $options) = @_;
    socket(my $socket, $family, SOCK_STREAM, 0) or return (undef, "no socket: $!");
    if ($options && !setsockopt($socket, IPPROTO_IP, 4, $options)) { return (undef, "no IP options: $!") }
    $socket->blocking(0);
    if (!connect($socket, $address)) {
        return (undef, $! == ECONNREFUSED ? 'refused' : "$!") unless $!{EINPROGRESS};
        IO::Select->new($socket)->can_write($CONNECT) or return (undef, 'silence');
        my $error = unpack('i', getsockopt($socket, SOL_SOCKET, SO_ERROR));
        if ($error) { local $! = $error; return (undef, $error == ECONNREFUSED ? 'refused' : "$!") }
    }
    return ($socket, 'connected');
}

# Family and packed address of a name or a number.
sub address {
    my ($host, $port, $type) = @_;
    my ($error, @found) = getaddrinfo($host, $port, { socktype => $type });
    return @found ? ($found[0]{family}, $found[0]{addr}) : (undef, "$error");
}

sub tcp {
    my ($via, $host, $port, @sends) = @_;
    my ($family, $address) = address($host, $port, SOCK_STREAM);
    return ("unresolved: $address", '') unless defined $family;
    # Loose source and record route (RFC 791): type, length, pointer, the router.
    my $options = $via eq '' ? undef : pack('C3a4C', 131, 7, 4, inet_aton($via), 0);
    my ($socket, $outcome) = connected($family, $address, $options);
    return $socket ? exchange($socket, @sends) : ($outcome, '');
}

sub unix {
    my ($path, @sends) = @_;
    my ($socket, $outcome) = connected(AF_UNIX, pack_sockaddr_un($path));
    return $socket ? exchange($socket, @sends) : ($outcome, '');
}

sub datagram {
    my ($socket, $address, $data) = @_;
    return ("not sent: $!", '') unless defined send($socket, $data, 0, $address);
    my $reply = '';
    recv($socket, $reply, 4096, 0) if IO::Select->new($socket)->can_read($ANSWER);
    return ('sent', $reply);
}

sub udp {
    my ($host, $port, $data) = @_;
    my ($family, $address) = address($host, $port, SOCK_DGRAM);
    return ("unresolved: $address", '') unless defined $family;
    socket(my $socket, $family, SOCK_DGRAM, 0) or return ("no socket: $!", '');
    return datagram($socket, $address, $data);
}

sub checksum {
    my ($bytes) = @_;
    my $sum = 0;
    $sum += $_ for unpack('n*', $bytes . (length($bytes) % 2 ? "\0" : ''));
    $sum = ($sum >> 16) + ($sum & 0xffff) for 1, 2;
    return ~$sum & 0xffff;
}

sub echo_request {
    my ($data) = @_;
    my $packet = pack('C2n3', 8, 0, 0, 1, 1) . $data;
    return pack('C2n3', 8, 0, checksum($packet), 1, 1) . $data;
}

sub icmp {
    my ($host, $data) = @_;
    socket(my $socket, AF_INET, SOCK_DGRAM, IPPROTO_ICMP) or return ("no socket: $!", '');
    return datagram($socket, pack_sockaddr_in(0, inet_aton($host)), echo_request($data));
}

sub raw {
    my ($host, $data) = @_;
    socket(my $socket, AF_INET, SOCK_RAW, IPPROTO_ICMP) or return ("no socket: $!", '');
    return datagram($socket, pack_sockaddr_in(0, inet_aton($host)), echo_request($data));
}

# To all on the wire, from nobody: the kind is one that is set aside for experiments (IEEE 802, 0x88b5).
sub frame {
    my ($data) = @_;
    socket(my $socket, $AF_PACKET, SOCK_RAW, $ETH_P_ALL) or return ("no socket: $!", '');
    my @sent;
    for my $file (glob '/sys/class/net/*/ifindex') {
        open(my $number, '<', $file) or next;
        my $index = int(<$number> // 0);
        my $address = pack('Snlnccx8', $AF_PACKET, 0x88b5, $index, 0, 0, 6);
        my $frame = "\xff" x 6 . "\x02\0\0\0\0\x01" . pack('n', 0x88b5) . $data . "\0" x 46;
        push @sent, $index if defined send($socket, $frame, 0, $address);
    }
    return (@sent ? "sent on @sent" : "not sent: $!", '');
}

sub resolve {
    my ($name) = @_;
    my ($error, @found) = getaddrinfo($name, 0, { socktype => SOCK_STREAM });
    return ("$error", '') unless @found;
    my (undef, $numeric) = getnameinfo($found[0]{addr}, NI_NUMERICHOST);
    return ('resolved', $numeric);
}

sub query {
    my ($over, $server, $port, $name, $type) = @_;
    my $question = join('', map { pack('C/a*', $_) } split /\./, $name) . "\0" . pack('n2', $type eq 'TXT' ? 16 : 1, 1);
    my $message = pack('n6', 0x4242, 0x0100, 1, 0, 0, 0) . $question;
    return $over eq 'udp' ? udp($server, $port, $message) : tcp('', $server, $port, pack('n/a*', $message));
}

sub sh {
    my ($script) = @_;
    my $pid = open(my $output, '-|') // return ("cannot fork: $!", '');
    if ($pid == 0) {
        open(STDERR, '>&', \*STDOUT);
        open(STDIN, '<', '/dev/null');
        exec '/bin/sh', '-c', $script;
        exit 127;
    }
    local $/;
    my $said = <$output> // '';
    close($output);
    return ('ended with ' . ($? >> 8), $said);
}

my %ACT = (tcp => \&tcp, unix => \&unix, udp => \&udp, icmp => \&icmp, raw => \&raw, frame => \&frame,
    resolve => \&resolve, query => \&query, sh => \&sh);

sub perform {
    my (@words) = @_;
    my (@outcomes, $answers);
    while (@words) {
        my @act;
        while (@words && (my $word = shift @words) ne ';') { push @act, decoded($word) }
        my ($kind, @rest) = @act;
        my ($outcome, $answer) = $ACT{$kind}->(@rest);
        push @outcomes, $outcome;
        $answers .= substr($answer, 0, $KEPT);
    }
    return (join(', ', @outcomes), $answers // '');
}

$SIG{PIPE} = 'IGNORE';
my @running;
for my $argument (@ARGV) {
    my ($id, @words) = split / /, $argument;
    my $pid = open(my $output, '-|') // die "cannot fork: $!\n";
    if ($pid == 0) {
        $SIG{ALRM} = sub { print join("\t", $id, encoded('took too long'), '%'), "\n"; close STDOUT; kill 'KILL', $$ };
        alarm $WHOLE;
        my ($outcome, $answer) = eval { perform(@words) };
        ($outcome, $answer) = ("failed: $@", '') if $@;
        print join("\t", $id, encoded($outcome), encoded($answer)), "\n";
        exit 0;
    }
    push @running, $output;
}
print scalar(readline $_) // '' for @running;
