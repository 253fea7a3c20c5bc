# Runs in the bottle as root, once, before the agent does: takes the ssh keys from stdin into an ssh-agent that
# root alone can reach, and starts the relay that the agent's user talks to. No key is ever in an argv, an
# environment or a file.
#
# stdin is a number of keys, the known_hosts lines of hosts whose key was learned by this launch, and then, for each
# key, six texts: whose key it is, known_hosts lines, what it is bound to (USER@HOST or USER@[HOST]:PORT, a line
# each; none for a key that is not bound), `sign` for one that also signs commits, its passphrase (empty for a key
# without one), the key. Those that sign are held a second time, by an ssh-agent whose relay passes nothing else.
# A text is LENGTH ":" BYTES ",".
# Where a passphrase is wrong nothing is left running, `claude-bottle: wrong passphrase: NUMBER OF THE KEY` is said,
# and the exit status is 3.
use strict;
use warnings;
use POSIX ();
use Socket;

my $DIRECTORY = '/run/claude-bottle';
my $RELAY = '/usr/local/lib/claude-bottle/ssh_relay.pl';
my $ASKPASS = '/usr/local/lib/claude-bottle/ssh_askpass.pl';
my $DEADLINE = 30;

my $AGENT_SOCKET = "$DIRECTORY/private/agent.sock";
my $SIGN_AGENT_SOCKET = "$DIRECTORY/private/sign_agent.sock";
my $KNOWN_HOSTS = "$DIRECTORY/private/known_hosts";

# Each relay's process; its ssh-agent is its child, in a session of its own.
my @started;

sub children_of {
    my ($parent) = @_;
    my @children;
    for my $stat (glob('/proc/[0-9]*/stat')) {
        open(my $file, '<', $stat) or next;
        push @children, $1 if (<$file> // '') =~ /^([0-9]+) .*\) \S ([0-9]+) / && $2 == $parent;
    }
    return @children;
}

# Nothing of a load that failed goes on: another one may follow.
sub undo {
    return unless @started;
    for my $relay (@started) {
        kill('STOP', $relay);
        kill('KILL', $relay, children_of($relay));
        waitpid($relay, 0);
    }
    unlink(glob("$DIRECTORY/private/*"), glob("$DIRECTORY/*.sock"), glob("$DIRECTORY/key*.pub"));
    rmdir("$DIRECTORY/private");
}

sub fail { undo(); print STDERR "claude-bottle: the ssh keys cannot be used: $_[0]\n"; exit 1 }

# The image's own variables must not decide what root runs.
%ENV = (PATH => '/usr/bin:/bin', LC_ALL => 'C', SSH_AUTH_SOCK => $AGENT_SOCKET);
$SIG{ALRM} = sub { fail("they were not loaded within $DEADLINE s") };
$SIG{PIPE} = 'IGNORE';
alarm $DEADLINE;
umask 0077;

sub read_exactly {
    my ($length) = @_;
    my $bytes = '';
    while (length($bytes) < $length) {
        my $got = sysread(STDIN, $bytes, $length - length($bytes), length($bytes));
        fail('they ended early') unless $got;
    }
    return $bytes;
}

sub read_text {
    my $length = '';
    while ((my $digit = read_exactly(1)) ne ':') {
        fail('they are malformed') unless $digit =~ /^[0-9]$/ && length($length) < 7;
        $length .= $digit;
    }
    fail('they are malformed') if $length eq '';
    my $bytes = read_exactly($length);
    fail('they are malformed') if read_exactly(1) ne ',';
    return $bytes;
}

sub put {
    my ($path, $text) = @_;
    open(my $file, '>', $path) or fail("cannot write $path: $!");
    print {$file} $text;
    close($file) or fail("cannot write $path: $!");
}

# Runs a command with $input as its stdin, and with a passphrase to be read at 3 if it has one to ask for; its exit
# status, stdout and stderr. All are small.
sub output_of {
    my ($input, $passphrase, @command) = @_;
    pipe(my $in_read, my $in_write) && pipe(my $out_read, my $out_write) && pipe(my $err_read, my $err_write)
        or fail("cannot make a pipe: $!");
    my $pid = fork;
    fail("cannot fork: $!") unless defined $pid;
    if (!$pid) {
        POSIX::dup2(fileno $in_read, 0);
        POSIX::dup2(fileno $out_write, 1);
        POSIX::dup2(fileno $err_write, 2);
        if ($passphrase ne '') {
            leave_at_3($passphrase);
            @ENV{qw(SSH_ASKPASS SSH_ASKPASS_REQUIRE)} = ($ASKPASS, 'force');
        }
        { no warnings 'exec'; exec { $command[0] } @command; }
        print STDERR "cannot run $command[0]: $!\n";
        POSIX::_exit(127);
    }
    close $_ for $in_read, $out_write, $err_write;
    print {$in_write} $input;
    close $in_write;
    local $/;
    my ($out, $err) = (scalar <$out_read> // '', scalar <$err_read> // '');
    waitpid $pid, 0;
    return ($?, $out, $err);
}

# A pipe that holds a text and ends behind it.
sub leave_at_3 {
    my ($text) = @_;
    pipe(my $read, my $write) or POSIX::_exit(1);
    syswrite($write, $text) == length($text) or POSIX::_exit(1);
    close $write;
    # Perl closes what is above 2 when it becomes another program, but not what it did not open itself.
    POSIX::dup2(fileno $read, 3);
}

sub listens {
    my ($path) = @_;
    socket(my $socket, PF_UNIX, SOCK_STREAM, 0) or fail("cannot make a socket: $!");
    return connect($socket, pack_sockaddr_un($path));
}

# The relay is the ssh-agent's parent: when one of them ends, so does the other. Neither holds our own streams,
# or the engine's exec would not end.
sub start {
    my ($socket, @relay) = @_;
    my $pid = fork;
    fail("cannot fork: $!") unless defined $pid;
    if ($pid) { push @started, $pid; return $pid }
    POSIX::setsid();
    open(my $null, '+<', '/dev/null') or POSIX::_exit(1);
    POSIX::dup2(fileno $null, $_) for 0, 1, 2;
    no warnings 'exec';
    exec 'ssh-agent', '-P', 'none', '-a', $socket, '/usr/bin/perl', $RELAY, @relay;
    POSIX::_exit(127);
}

sub await {
    my ($pid, $path) = @_;
    until (listens($path)) {
        fail($? >> 8 == 127 ? 'the image has no ssh-agent' : 'the ssh-agent did not start')
            if waitpid($pid, POSIX::WNOHANG()) > 0;
        select(undef, undef, undef, 0.01);
    }
}

# The public halves that the ssh-agent holds, `TYPE BASE64` each.
sub held {
    my ($status, $out) = output_of('', '', 'ssh-add', '-L');
    return $status ? () : map { /^(\S+ \S+)/ } split(/\n/, $out);
}

my %known;

sub put_public {
    my ($path, $text) = @_;
    put($path, $text);
    chmod(0644, $path) or fail("cannot write $path: $!");
}

# Adds one key to the ssh-agent of SSH_AUTH_SOCK.
sub load {
    my ($number, $one, @constraints) = @_;
    # A key with a passphrase may be slow to open on purpose.
    alarm $DEADLINE;
    my ($status, undef, $err) = output_of($one->{key}, $one->{passphrase}, 'ssh-add', '-q', @constraints, '-');
    return unless $status;
    if ($one->{passphrase} ne '' && $err =~ /^wrong passphrase$/m) {
        undo();
        print STDERR "claude-bottle: wrong passphrase: $number\n";
        exit 3;
    }
    my ($why) = grep { /\S/ } split(/\n/, $err);
    fail("that of $one->{whose}: " . ($why // 'ssh-add failed'));
}

# Adds one key and writes its public half, by which ssh chooses it.
sub add {
    my ($number, $one) = @_;
    put($KNOWN_HOSTS, $one->{known_hosts});
    my @bound = map { ('-h', $_) } split(/\n/, $one->{bound_to});
    load($number, $one, @bound ? ('-H', $KNOWN_HOSTS, @bound) : ());
    my @held = held();
    my ($new) = grep { !exists $known{$_} } @held;
    # Added again, a key would have lost what it was bound to.
    fail("that of $one->{whose} is the same as another one") unless defined $new && @held == $number;
    $known{$new} = 1;
    put_public("$DIRECTORY/key$number.pub", "$new\n");
}

# What is bound in one ssh-agent is not in another: here it need not be, since no login can be signed through it.
sub start_signing {
    my %key = @_;
    my @numbers = sort { $a <=> $b } keys %key;
    my $pid = start($SIGN_AGENT_SOCKET, map { "key$_.pub" } @numbers);
    await($pid, $SIGN_AGENT_SOCKET);
    local $ENV{SSH_AUTH_SOCK} = $SIGN_AGENT_SOCKET;
    load($_, $key{$_}) for @numbers;
    put_public("$DIRECTORY/allowed_signers", join('', map { "* namespaces=\"git\" $_\n" } held()));
    await($pid, "$DIRECTORY/sign.sock");
}

my $count = read_text();
fail('they are malformed') unless $count =~ /^[1-9][0-9]{0,3}$/;
my $learned = read_text();
my @keys = map {
    my %one = map { $_ => read_text() } qw(whose known_hosts bound_to sign passphrase key);
    \%one;
} 1 .. $count;
mkdir("$DIRECTORY/private", 0700) or fail("cannot make $DIRECTORY/private: $!");
my $pid = start($AGENT_SOCKET);
await($pid, $AGENT_SOCKET);
add($_, $keys[$_ - 1]) for 1 .. $count;
unlink($KNOWN_HOSTS);
put_public("$DIRECTORY/known_hosts", $learned) if $learned ne '';
await($pid, "$DIRECTORY/ssh.sock");
my @signing = grep { $keys[$_ - 1]{sign} eq 'sign' } 1 .. $count;
start_signing(map { $_ => $keys[$_ - 1] } @signing) if @signing;
