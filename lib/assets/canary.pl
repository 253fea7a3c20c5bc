# Records everything that arrives: a line on stdout for each piece, `KIND PORT FROM BYTES`, the bytes percent-encoded.
# Arguments say what it listens to:
#
#   tcp:PORT udp:PORT     on all addresses, IPv4 and IPv6; answers what looks like HTTP, and everything else, with one page
#   dns:ADDRESS           a name server over UDP and TCP on port 53, which answers every name with ADDRESS
#   NAME=ADDRESS,ADDRESS  but this one with these in turn, a question each
#   icmp frames           what only root with the capability for it can hear
#   unix:PATH             a socket that anyone may use
#
# A port of 0 is one that is free; `ready` and the ports it listens to are the first line.
use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw(:DEFAULT IPPROTO_ICMP);

$| = 1;
my $PAGE = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\ncanary\n";
my ($AF_PACKET, $ETH_P_EXPERIMENT) = (17, 0xb588);
my (%kind, %port, %from, %seen, %zone, $default, @ports);
my $select = IO::Select->new;

sub encoded { my ($text) = @_; $text =~ s/([^A-Za-z0-9._:\/-])/sprintf '%%%02x', ord $1/ge; return $text }
sub record { my ($kind, $port, $from, $bytes) = @_; print join(' ', $kind, $port, $from, encoded($bytes)), "\n" }

sub listen_to {
    my ($kind, $socket, $port) = @_;
    die "cannot listen to $kind $port: $@ $!\n" unless $socket;
    $kind{$socket} = $kind;
    $port{$socket} = $port || $socket->sockport;
    push @ports, "$kind:$port{$socket}";
    $select->add($socket);
}

# On IPv4 and IPv6, where the machine has it.
sub open_tcp { my ($port) = @_; my %o = (LocalPort => $port, Proto => 'tcp', Listen => 64, ReuseAddr => 1);
    return IO::Socket::IP->new(%o, LocalAddr => '::', V6Only => 0) // IO::Socket::IP->new(%o, LocalAddr => '0.0.0.0') }
sub open_udp { my ($port) = @_; my %o = (LocalPort => $port, Proto => 'udp', ReuseAddr => 1);
    return IO::Socket::IP->new(%o, LocalAddr => '::', V6Only => 0) // IO::Socket::IP->new(%o, LocalAddr => '0.0.0.0') }

for my $word (@ARGV) {
    if ($word =~ /^tcp:(\d+)$/) { listen_to('tcp', open_tcp($1), $1) }
    elsif ($word =~ /^udp:(\d+)$/) { listen_to('udp', open_udp($1), $1) }
    elsif ($word =~ /^dns:([\d.]+)$/) {
        $default = $1;
        listen_to('dns', open_udp(53), 53);
        listen_to('dnstcp', open_tcp(53), 53);
    }
    elsif ($word =~ /^unix:(.+)$/) {
        unlink $1;
        umask 0;
        listen_to('unix', IO::Socket::UNIX->new(Local => $1, Listen => 16), $1);
    }
    elsif ($word eq 'icmp') {
        socket(my $socket, AF_INET, SOCK_RAW, IPPROTO_ICMP) or die "cannot listen to icmp: $!\n";
        listen_to('icmp', $socket, 'echo');
    }
    elsif ($word eq 'frames') {
        socket(my $socket, $AF_PACKET, SOCK_RAW, $ETH_P_EXPERIMENT) or die "cannot listen to frames: $!\n";
        listen_to('frame', $socket, 'wire');
    }
    elsif ($word =~ /^([\w.-]+)=([\d.,:a-f]+)$/) { $zone{lc $1} = [split /,/, $2] }
    else { die "canary: what is $word?\n" }
}
print "ready @ports\n";

# The name that a message asks for, and the answer to it.
sub answered {
    my ($message) = @_;
    my ($name, $at) = ('', 12);
    while (my $length = ord(substr($message, $at, 1) || "\0")) {
        $name .= ($name eq '' ? '' : '.') . lc substr($message, $at + 1, $length);
        $at += $length + 1;
        return ('', undef) if $at > length $message;
    }
    my $type = unpack('n', substr($message, $at + 1, 2) . "\0\0");
    my $question = substr($message, 12, $at + 5 - 12);
    my $turn = $zone{$name};
    my $address = $turn ? $turn->[0] : $default;
    push @$turn, shift @$turn if $turn && $type == 1;
    # A records alone; for all else there is no data. Nothing may be remembered.
    my $record = $type == 1 ? "\xc0\x0c" . pack('n2Nn/a*', 1, 1, 0, inet_aton($address)) : '';
    return ($name, substr($message, 0, 2) . pack('n5', 0x8580, 1, $record eq '' ? 0 : 1, 0, 0) . $question . $record);
}

# One more piece of a stream; false when it has ended.
sub stream {
    my ($socket) = @_;
    my $read = sysread($socket, my $bytes, 65536);
    return 0 unless $read;
    $seen{$socket} .= $bytes;
    my $kind = $kind{$socket};
    record($kind =~ s/^in-//r, $port{$socket}, $from{$socket}, substr($seen{$socket}, -4096));
    if ($kind eq 'in-dnstcp') {
        my (undef, $reply) = answered(substr($seen{$socket}, 2));
        syswrite($socket, pack('n/a*', $reply)) if defined $reply;
    }
    # An end of a header is answered; what is no HTTP at once.
    elsif ($seen{$socket} =~ /\r\n\r\n/ || $seen{$socket} !~ /^[A-Z]{3,10} /) { syswrite($socket, $PAGE) }
    return 1;
}

sub packet {
    my ($socket) = @_;
    my $peer = recv($socket, my $bytes, 65536, 0) // return;
    my ($kind, $from) = ($kind{$socket}, 'somebody');
    if ($kind eq 'udp' || $kind eq 'dns') { $from = $socket->peerhost // $from }
    record($kind, $port{$socket}, $from, $bytes);
    if ($kind eq 'udp') { send($socket, $PAGE, 0, $peer) }
    if ($kind eq 'dns') {
        my ($name, $reply) = answered($bytes);
        record('name', 53, $from, $name) if $name ne '';
        send($socket, $reply, 0, $peer) if defined $reply;
    }
}

$SIG{PIPE} = 'IGNORE';
for (;;) {
    for my $socket ($select->can_read) {
        my $kind = $kind{$socket};
        if ($kind =~ /^(tcp|dnstcp|unix)$/) {
            my $client = $socket->accept // next;
            $kind{$client} = "in-$kind";
            $port{$client} = $port{$socket};
            $from{$client} = $kind eq 'unix' ? 'somebody' : $client->peerhost // 'somebody';
            $seen{$client} = '';
            $select->add($client);
        }
        elsif ($kind =~ /^in-/) {
            next if stream($socket);
            $select->remove($socket);
            delete $_->{$socket} for \%kind, \%port, \%from, \%seen;
            close($socket);
        }
        else { packet($socket) }
    }
}
