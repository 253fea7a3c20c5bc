# PID 1 of the squid sidecar. Runs two squids, the back (dials) and the front (answers the bottle), as one:
#   start  the back first and the front only when the back listens, so that "the front answers" means "ready";
#          where hosts are inspected neither of them before `open.pl` has made what they need, which it says by HUP;
#   HUP    checks both files before either process sees them, since squid dies of a bad one; then back, front;
#   TERM   ends both; and when one of them ends by itself, so does the other and this program, with status 1.
use strict;
use warnings;
use POSIX ();

my ($front_conf, $back_conf, $back_port) = ('/config/front.conf', '/config/back.conf', 3128);
my %child;    # pid => "back" or "front"
my %due;      # signals that arrived and have not been handled

sub say_so { print STDERR "claude-bottle sidecar: @_\n" }

# Signals are only let in while we wait for them: none is lost between a look at %due and the wait.
my $signals = POSIX::SigSet->new(map { POSIX->can("SIG$_")->() } qw(CHLD HUP TERM INT));
my $unblocked = POSIX::SigSet->new;
POSIX::sigprocmask(POSIX::SIG_BLOCK(), $signals, $unblocked);
for my $name (qw(CHLD HUP TERM INT)) { $SIG{$name} = sub { $due{$name} = 1 } }

sub spawn {
    my ($name, @command) = @_;
    my $pid = fork;
    die "cannot fork: $!\n" unless defined $pid;
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(CHLD HUP TERM INT);
        POSIX::sigprocmask(POSIX::SIG_SETMASK(), $unblocked);
        exec @command or print STDERR "cannot run $command[0]: $!\n";
        POSIX::_exit(127);
    }
    $child{$pid} = $name if $name;
    return $pid;
}

sub start { spawn($_[0], 'squid', '-N', '-f', $_[1]) }

# As PID 1 we inherit every orphan; only our own two matter. Returns what to say about one that ended.
sub reap {
    my $ended;
    while ((my $pid = waitpid(-1, POSIX::WNOHANG())) > 0) {
        my $name = delete $child{$pid} or next;
        my $how = $? & 127 ? 'signal ' . ($? & 127) : 'status ' . ($? >> 8);
        $ended = "the $name squid ended with $how";
    }
    return $ended;
}

sub min { $_[0] < $_[1] ? $_[0] : $_[1] }

sub pause { select undef, undef, undef, $_[0] }

# Squid takes one second to end, and logs the tunnels it then cuts.
sub end {
    my ($status) = @_;
    kill 'TERM', keys %child;
    for (1 .. 150) { reap(); last unless %child; pause(0.01) }
    kill 'KILL', keys %child;
    exit $status;
}

sub fail { my ($why) = @_; kill 'KILL', keys %child; reap(); say_so("$why; nothing can be reached any more"); exit 1 }

# The inode of the socket that the back listens with, or 0. Looking it up opens no connection.
sub listening {
    open my $table, '<', '/proc/net/tcp' or return 0;
    my $address = sprintf '0100007F:%04X', $back_port;
    while (<$table>) {
        my @field = split;
        return $field[9] if $field[1] eq $address && $field[3] eq '0A';
    }
    return 0;
}

# What squid says against a file, or undef.
sub complaint {
    my ($file) = @_;
    pipe my $read, my $write or return "cannot make a pipe: $!";
    my $pid = fork;
    return "cannot fork: $!" unless defined $pid;
    if (!$pid) {
        POSIX::sigprocmask(POSIX::SIG_SETMASK(), $unblocked);
        POSIX::dup2(fileno $write, 1);
        POSIX::dup2(fileno $write, 2);
        exec 'squid', '-k', 'parse', '-f', $file or POSIX::_exit(127);
    }
    close $write;
    my @lines = grep { /FATAL|ERROR|unrecognized/ } <$read>;
    waitpid $pid, 0;
    return unless $?;
    chomp @lines;
    return join '; ', map { s/^\S+ \S+\| //r } @lines ? @lines[0 .. min(3, $#lines)] : 'squid rejects it';
}

sub reload {
    for my $file ($back_conf, $front_conf) {
        my $why = complaint($file);
        return say_so("not reloaded, the old rules stay: $file: $why") if defined $why;
    }
    my %pid = reverse %child;
    my $before = listening();
    kill 'HUP', $pid{back};
    # The front tries its parent at once and calls it dead when that fails: wait for the back's new socket, and
    # for what the front tries again 50 ms later, since a front that reloads meanwhile forgets its parent.
    for (1 .. 400) { my $now = listening(); last if $now && $now ne $before; pause(0.005) }
    pause(0.1);
    kill 'HUP', $pid{front};
    say_so('reloaded');
}

if (-e '/run/inspection') {
    until (-e '/run/inspection/opened') {
        POSIX::sigsuspend($unblocked);
        exit 0 if $due{TERM} || $due{INT};
    }
    delete $due{HUP};
}
start('back', $back_conf);
# A machine that starts thirty bottles at once is slow; whoever waits for us has more patience than this.
my $deadline = time + 40;
until (listening()) {
    my $ended = reap();
    fail("$ended before it listened") if $ended;
    fail('the back squid did not listen in time') if time > $deadline;
    my $pending = POSIX::SigSet->new;
    POSIX::sigpending($pending);
    end(0) if $pending->ismember(POSIX::SIGTERM()) || $pending->ismember(POSIX::SIGINT());
    pause(0.005);
}
start('front', $front_conf);

while (1) {
    my $ended = reap();
    end(0) if $due{TERM} || $due{INT};
    fail($ended) if $ended;
    if (delete $due{HUP}) { reload(); next }
    delete $due{CHLD};
    POSIX::sigsuspend($unblocked);
}
