# Runs in the bottle as root for as long as the bottle does: stands between the agent's user and the ssh-agent.
# Passes three messages on (list, sign, and the binding of a connection to an ssh session) and answers every
# other one with a failure, so that no key can be added, removed or locked. Each client has a connection of its
# own to the ssh-agent, since a binding is one of a connection. One question at a time: its answer is awaited.
#
# `ssh_relay.pl sign KEY.pub…` stands before another ssh-agent, whose keys are not bound: it passes listing, and
# those requests to sign with one of these keys that git makes for a commit or a tag. Nothing that it lets through
# can be a login.
use strict;
use warnings;
use Errno qw(EAGAIN EINTR);
use Fcntl;
use Socket;

my $DIRECTORY = '/run/claude-bottle';
my $LARGEST = 256 * 1024;    # bytes of a message, as the ssh-agent has it
my $CLIENTS = 32;            # at one time; more wait until one leaves

my ($LIST, $SIGN, $EXTENSION) = (11, 13, 27);
my $BINDING = 'session-bind@openssh.com';
my $FAILURE = pack('N C', 1, 5);

# The one that the clients connect to, and the ssh-agent's.
my ($OPEN, $PRIVATE) = @ARGV ? ('sign.sock', 'sign_agent.sock') : ('ssh.sock', 'agent.sock');

# What the flags of a request may be: none, or SHA-2 for RSA, which without them would sign by SHA-1.
my ($PLAIN, @SHA2) = map { pack('N', $_) } 0, 2, 4;
my %HASHES = (sha256 => 32, sha512 => 64);

# Every form of a request to sign for git. It begins with type, key and, up to its digest, the blob of OpenSSH's
# PROTOCOL.sshsig with the namespace git and nothing reserved; digest and flags follow, and nothing behind them.
my @forms;

my %client;    # by file number: { socket, agent, in, out, up, down, asked }

$SIG{PIPE} = 'IGNORE';
# The ssh-agent is our only child.
$SIG{CHLD} = sub { exit 0 };

sub unblocked {
    my ($socket) = @_;
    return fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK);
}

sub unix_socket {
    socket(my $socket, PF_UNIX, SOCK_STREAM, 0) or die "cannot make a socket: $!\n";
    return $socket;
}

# Its group is ours, by the exec that began all this: the agent's. Others cannot connect.
sub listening {
    my $socket = unix_socket();
    my $umask = umask(0117);
    bind($socket, pack_sockaddr_un("$DIRECTORY/$OPEN")) or die "cannot bind: $!\n";
    umask($umask);
    listen($socket, 128) && unblocked($socket) or die "cannot listen: $!\n";
    return $socket;
}

# The public half that one line of a file holds.
sub public_half {
    my ($name) = @_;
    open(my $file, '<', "$DIRECTORY/$name") or die "cannot read $name: $!\n";
    my ($base64) = <$file> =~ m{^\S+ ([A-Za-z0-9+/]+)=*$} or die "$name is no public key\n";
    $base64 =~ tr{A-Za-z0-9+/}{ -_};
    return join('', map { unpack('u', chr(32 + length($_) * 3 / 4) . $_) } $base64 =~ /.{1,60}/g);
}

sub forms_of {
    my ($key) = @_;
    my @flags = $key =~ /\A\0\0\0\x07ssh-rsa/ ? @SHA2 : ($PLAIN, @SHA2);
    return map {
        my $blob = 'SSHSIG' . pack('(N/a*)3 N', 'git', '', $_, $HASHES{$_});
        my $length = length($blob) + $HASHES{$_};
        { start => pack('C N/a* N', $SIGN, $key, $length) . $blob, digest => $HASHES{$_}, flags => \@flags };
    } sort keys %HASHES;
}

sub is_of_form {
    my ($message, $form) = @_;
    my ($start, $digest, $flags) = @$form{qw(start digest flags)};
    return 0 if length($message) != length($start) + $digest + 4 || substr($message, 0, length $start) ne $start;
    return grep { substr($message, -4) eq $_ } @$flags;
}

sub is_passed {
    my ($message) = @_;
    my $type = unpack('C', $message);
    return 1 if $type == $LIST;
    return grep { is_of_form($message, $_) } @forms if @ARGV;
    return 1 if $type == $SIGN;
    return 0 if $type != $EXTENSION || length($message) < 5;
    my $length = unpack('x N', $message);
    return $length == length($BINDING) && substr($message, 5, $length) eq $BINDING;
}

# The length of the message that a buffer begins with, undef when it is not all there, 0 for none that is one.
sub whole {
    my ($buffer) = @_;
    return if length($$buffer) < 4;
    my $length = unpack('N', $$buffer);
    return 0 if $length < 1 || $length > $LARGEST;
    return length($$buffer) < 4 + $length ? undef : $length;
}

# Takes the next message of a client, unless the one before is not answered yet. False ends the client.
sub advance {
    my ($one) = @_;
    if ($one->{asked}) {
        my $length = whole(\$one->{down});
        return 1 unless defined $length;
        return 0 if $length == 0 || length($one->{down}) != 4 + $length;
        $one->{out} = $one->{down};
        ($one->{down}, $one->{asked}) = ('', 0);
        return 1;
    }
    return 1 if $one->{out} ne '';
    my $length = whole(\$one->{in});
    return 1 unless defined $length;
    return 0 if $length == 0;
    my $message = substr($one->{in}, 0, 4 + $length, '');
    if (is_passed(substr($message, 4))) { ($one->{up}, $one->{asked}) = ($message, 1) }
    else                                { $one->{out} = $FAILURE }
    return 1;
}

# Both return false when the other side is gone.
sub fill {
    my ($socket, $buffer) = @_;
    my $got = sysread($socket, $$buffer, 65536, length($$buffer));
    return defined $got ? $got : $! == EAGAIN || $! == EINTR;
}

sub drain {
    my ($socket, $buffer) = @_;
    my $sent = syswrite($socket, $$buffer);
    return $! == EAGAIN || $! == EINTR unless defined $sent;
    substr($$buffer, 0, $sent, '');
    return 1;
}

sub welcome {
    my ($listening) = @_;
    my $accepted = accept(my $socket, $listening);
    return unless $accepted;
    my $agent = unix_socket();
    connect($agent, pack_sockaddr_un("$DIRECTORY/private/$PRIVATE")) or exit 0;
    unblocked($socket) && unblocked($agent) or return;
    $client{ fileno $socket } =
        { socket => $socket, agent => $agent, in => '', out => '', up => '', down => '', asked => 0 };
}

# One round with one client. False ends it.
sub serve {
    my ($one, $readable, $writable) = @_;
    my ($here, $there) = map { fileno $_ } @$one{qw(socket agent)};
    return 0 if vec($$readable, $there, 1) && !fill($one->{agent}, \$one->{down});
    return 0 if vec($$readable, $here, 1) && !fill($one->{socket}, \$one->{in});
    return 0 if vec($$writable, $there, 1) && $one->{up} ne '' && !drain($one->{agent}, \$one->{up});
    return 0 if vec($$writable, $here, 1) && $one->{out} ne '' && !drain($one->{socket}, \$one->{out});
    return advance($one);
}

@forms = map { forms_of(public_half($_)) } @ARGV;
my $listening = listening();
while (1) {
    my ($readable, $writable) = ('', '');
    vec($readable, fileno $listening, 1) = 1 if keys %client < $CLIENTS;
    for my $one (values %client) {
        my ($here, $there) = map { fileno $_ } @$one{qw(socket agent)};
        vec($readable, $there, 1) = 1;
        vec($readable, $here, 1) = 1 if !$one->{asked} && $one->{out} eq '';
        vec($writable, $there, 1) = 1 if $one->{up} ne '';
        vec($writable, $here, 1) = 1 if $one->{out} ne '';
    }
    next if select($readable, $writable, undef, undef) < 0;
    for my $number (keys %client) {
        delete $client{$number} unless serve($client{$number}, \$readable, \$writable);
    }
    welcome($listening) if vec($readable, fileno $listening, 1);
}
