# Tries things from inside a bottle, as its agent would. For each one line on stdout: NAME, `reached` or `refused`, and
# what came back, separated by tabs. All are tried at the same time, since silence takes a second.
#
#   API OTHER PORT SSH ADDRESS HOST…   names of the allowed host and of another one, a port of the former that listens
#                                      and is not allowed, the ssh host, the address of all these, addresses of the engine's host
use strict;
use warnings;
use Errno qw(ECONNREFUSED);
use IO::Select;
use Socket;

my ($api, $other, $port, $ssh, $address, @host) = @ARGV;
my $PATIENCE = 1;
my @HOST_PORTS = (22, 80, 443, 2375, 2376);

# A command's exit code and the lines that it said, on either stream.
sub output_of {
    my (@command) = @_;
    my $pid = open(my $output, '-|') // return (127, "cannot start $command[0]: $!");
    if ($pid == 0) {
        open(STDERR, '>&', \*STDOUT);
        no warnings 'exec';
        exec { $command[0] } @command;
        print "$command[0]: $!\n";
        exit 127;
    }
    my @lines = grep { $_ ne '' } map { s/\s+$//r } <$output>;
    close($output);
    return ($? >> 8, @lines);
}

# The status that came back, or 0 and curl's reason why none did.
sub get {
    my ($code, @lines) = output_of('curl', '--silent', '--show-error', '--output', '/dev/null', '--max-time', 6,
        '--write-out', "%{http_code}\n", @_);
    my ($complaint) = map { s/^curl: \(\d+\) //r } grep { /^curl: / } @lines;
    return $code == 0 ? ($lines[-1], '') : (0, $complaint // "curl ended with $code");
}

sub fetched {
    my ($status, $complaint) = get(@_);
    return $status ? ('reached', "status $status") : ('refused', $complaint);
}

# A refused connection is an answer too: whoever sent it was reached.
sub connected {
    my (@targets) = @_;
    my $select = IO::Select->new();
    my (%name, @unreachable);
    for my $target (@targets) {
        my ($ip, $number) = @$target;
        socket(my $socket, PF_INET, SOCK_STREAM, 0) or return ('refused', "no socket: $!");
        $socket->blocking(0);
        if (connect($socket, pack_sockaddr_in($number, inet_aton($ip))) || $!{ECONNREFUSED}) {
            return ('reached', "$ip:$number answered");
        }
        if ($!{EINPROGRESS}) { $select->add($socket); $name{$socket} = "$ip:$number" }
        else { push @unreachable, "$!" }
    }
    my $end = time + $PATIENCE + 1;
    while ($select->count && time < $end) {
        for my $socket ($select->can_write(0.2)) {
            my $error = unpack('i', getsockopt($socket, SOL_SOCKET, SO_ERROR));
            return ('reached', "$name{$socket} answered") if $error == 0 || $error == ECONNREFUSED;
            local $! = $error;
            push @unreachable, "$!";
            $select->remove($socket);
        }
    }
    return ('refused', $select->count ? 'no answer' : $unreachable[0] // 'no answer');
}

# The sidecar answers a request for plain HTTP itself when it refuses it.
sub metadata {
    my $url = 'http://169.254.169.254/';
    my ($direct) = get('--noproxy', '*', '--connect-timeout', $PATIENCE, $url);
    return ('reached', "status $direct, directly") if $direct;
    my ($proxied, $complaint) = get($url);
    return ('reached', "status $proxied, through the sidecar") if $proxied && $proxied !~ /^(403|5\d\d)$/;
    return ('refused', $proxied ? "status $proxied from the sidecar, nothing directly" : $complaint);
}

sub resolved {
    my @found = grep { defined inet_aton($_) } $other, $api;
    return @found ? ('reached', "$found[0] resolves") : ('refused', 'no name resolves');
}

sub logged_in {
    my ($code, @said) = output_of('ssh', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=10', $ssh, 'echo', 'logged in');
    return ('reached', $said[-1]) if $code == 0;
    my ($why) = (grep({ /^claude-bottle: / } @said), @said, "ssh ended with $code");
    return ('refused', $why);
}

# Every way to the key that a process of the agent has.
sub key_read {
    my @agents = grep { (slurp("/proc/$_/comm") // '') =~ /^ssh-agent$/ } map { m{(\d+)$} } glob('/proc/[0-9]*');
    my @ways = ('/run/claude-bottle/private', map { ("/proc/$_/mem", "/proc/$_/environ", "/proc/$_/fd") } @agents);
    for my $way (@ways) {
        my $is_read = -d $way ? opendir(my $folder, $way) : defined slurp($way);
        return ('reached', "$way can be read") if $is_read;
    }
    my (undef, $found) = output_of('sh', '-c',
        'grep -rls -e "BEGIN [A-Z ]*PRIVATE KEY-----" "$HOME" /run /tmp /var/tmp /root /etc /opt | head -n 1');
    return ('reached', "a private key stands in $found") if defined $found;
    return ('refused', scalar(@ways) . ' ways tried: Permission denied; no file with a private key');
}

# The beginning of a file; undef when it cannot be read.
sub slurp {
    my ($path) = @_;
    open(my $file, '<:raw', $path) or return undef;
    my $read = sysread($file, my $content, 4096);
    return $read ? $content : undef;
}

my @TRIED = (
    ['allowed', sub { fetched("https://$api/") }],
    ['ssh', \&logged_in],
    ['other-host', sub { fetched("https://$other/") }],
    ['other-port', sub { fetched("https://$api:$port/") }],
    ['direct', sub { connected([$address, 443], [$address, 22]) }],
    ['host', sub { connected(map { my $ip = $_; map { [$ip, $_] } @HOST_PORTS } @host) }],
    ['metadata', \&metadata],
    ['dns', \&resolved],
    ['key', \&key_read],
);

my @running;
for my $tried (@TRIED) {
    my ($name, $try) = @$tried;
    my $pid = open(my $output, '-|') // die "cannot fork: $!\n";
    if ($pid == 0) {
        my ($verdict, $said) = $try->();
        $said =~ s/[^\x20-\x7e]+/ /g;
        print join("\t", $name, $verdict, $said), "\n";
        exit 0;
    }
    push @running, $output;
}
print scalar(readline($_)) // '' for @running;
