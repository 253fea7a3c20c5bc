# Opens a tunnel through a proxy, lets it wait, and then begins TLS in it: client_hello.pl PROXY HOST:PORT NAME SECONDS
use strict;
use warnings;
use IO::Socket::INET;

my ($proxy, $target, $server, $seconds) = @ARGV;
my $socket = IO::Socket::INET->new(PeerAddr => $proxy, Timeout => 5) or die "$proxy: $!\n";
$socket->autoflush(1);
print $socket "CONNECT $target HTTP/1.1\r\nHost: $target\r\n\r\n";
sleep $seconds;
my $name = pack 'C n/a*', 0, $server;
my $extension = pack 'n n/a*', 0, pack('n/a*', $name);
my $hello = pack 'n a32 C n/a* C/a* n/a*', 0x0303, 'r' x 32, 0, pack('n n', 0xc02f, 0xc030), "\0", $extension;
print $socket pack 'C n n/a*', 22, 0x0301, pack('C C n/a*', 1, 0, $hello);
local $SIG{ALRM} = sub { exit };
alarm 3;
1 while sysread $socket, my $bytes, 4096;
