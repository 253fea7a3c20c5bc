# Runs inside the bottle as the agent's user, between `docker exec` and the agent's command: brings the
# environment in without any value ever standing in an argv, in `docker inspect` or in a persistent file.
#
#   put NAME                      frames on stdin -> /run/env/NAME (a private tmpfs)
#   attached NAME IP PORT DIR CMD…  reads and unlinks /run/env/NAME, keeps stdin (the terminal)
#   headless NAME IP PORT DIR CMD…  frames on stdin, then stdin is /dev/null
#   end NAME                      ends what was run with NAME; exits 3 when that had not begun, and it never will
#
# /run/env/NAME.began says that the agent's command was reached: its code is then its own. It is a link to the
# session's pid, since making one is atomic and takes no room in the tmpfs, however many commands a bottle sees.
#
# A frame is LENGTH ":" BYTES ","; the bytes are NAME=VALUE; a frame of length 0 ends them.
use strict;
use warnings;
use Fcntl;
use Socket;
use Time::HiRes qw(ualarm);

my $DIRECTORY = '/run/env';
my $EXTRA_AUTHORITIES = '/usr/local/share/claude-bottle/ca.pem';
# Of Debian, Alpine and their kin; of Fedora's; of openSUSE.
my @SYSTEM_AUTHORITIES =
    ('/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/ca-bundle.pem');
my $BUNDLE = "$DIRECTORY/ca-bundle.pem";
my $SIDECAR_DEADLINE = 10;
my $STARTING_DEADLINE = 45;
my $STATUS = '/proc/self/status';
my $KERNEL = '/proc/version';
# The engine makes each command a session of its own, and this process its leader.
my $LEADER = $$;

sub fail {
    my ($message, @hints) = @_;
    print STDERR "claude-bottle: $message\n", map { "hint: $_\n" } @hints;
    exit 125;
}

sub read_exactly {
    my ($handle, $length) = @_;
    my $bytes = '';
    while (length($bytes) < $length) {
        my $got = sysread($handle, $bytes, $length - length($bytes), length($bytes));
        fail('the environment ended early') unless $got;
    }
    return $bytes;
}

# Unbuffered, so that nothing behind the last frame is swallowed.
sub read_frames {
    my ($handle) = @_;
    my @entries;
    while (1) {
        my $length = '';
        while ((my $digit = read_exactly($handle, 1)) ne ':') {
            fail('the environment is malformed') unless $digit =~ /^[0-9]$/ && length($length) < 7;
            $length .= $digit;
        }
        fail('the environment is malformed') if $length eq '';
        my $bytes = read_exactly($handle, $length);
        fail('the environment is malformed') if read_exactly($handle, 1) ne ',';
        return @entries if $length == 0;
        push @entries, $bytes;
    }
}

sub put {
    my ($name) = @_;
    my @entries = read_frames(\*STDIN);
    # Anew, or not at all: a link or a pipe of that name would lead it elsewhere, or hold us up.
    sysopen(my $file, "$DIRECTORY/$name", O_WRONLY | O_CREAT | O_EXCL, 0600)
        or fail("cannot keep the environment: $!");
    print {$file} map({ length($_) . ":$_," } @entries), '0:,';
    close($file) or fail("cannot keep the environment: $!");
    exit 0;
}

sub take {
    my ($name) = @_;
    open(my $file, '<:raw', "$DIRECTORY/$name") or fail('the environment was used before or never came');
    unlink("$DIRECTORY/$name") or fail("cannot remove the environment: $!");
    return read_frames($file);
}

# curl, git and python read one bundle and not two: the image's own authorities and the extra ones, joined.
sub join_authorities {
    return if !-e $EXTRA_AUTHORITIES || -e $BUNDLE;
    local $/;
    open(my $out, '>:raw', "$BUNDLE.$$") or fail("cannot keep the certificate authorities: $!");
    for my $file ((grep { -e } @SYSTEM_AUTHORITIES)[0] // (), $EXTRA_AUTHORITIES) {
        open(my $in, '<:raw', $file) or next;
        print {$out} <$in>, "\n";
    }
    close($out) or fail("cannot keep the certificate authorities: $!");
    rename("$BUNDLE.$$", $BUNDLE) or fail("cannot keep the certificate authorities: $!");
}

sub text_of {
    my ($path) = @_;
    local $/;
    open(my $file, '<', $path) or fail("cannot read $path: $!");
    return <$file> // '';
}

# What the engine says that it asked for is one thing, and what the kernel does another: an engine may have been told
# to filter no system calls, and says so nowhere.
sub refuse_weak_kernel {
    my %found = text_of($STATUS) =~ /^(\w+):[ \t]*(\S+)/mg;
    my %wanted = (NoNewPrivs => qr/^1$/, Seccomp => qr/^2$/, map { $_ => qr/^0+$/ } qw(CapPrm CapEff CapBnd CapAmb));
    # gVisor is a kernel of its own and reports no filter. Older ones have neither setuid programs nor ambient
    # capabilities, tell of neither, and call themselves 4.4.0; the date is the same in all versions.
    if (text_of($KERNEL) =~ /^Linux version (?:\S*gvisor|\S+ #1 SMP Sun Jan 10 15:06:54 PST 2016$)/i) {
        delete $wanted{Seccomp};
        for (qw(NoNewPrivs CapAmb)) { delete $wanted{$_} unless exists $found{$_} }
    }
    my @weak = grep { ($found{$_} // '') !~ $wanted{$_} } sort keys %wanted or return;
    fail(
        'the kernel does not confirm what was asked of the engine, so nothing is run in this bottle: '
            . join(', ', map { "$_ is " . ($found{$_} // 'unknown') } @weak),
        "@weak" eq 'Seccomp'
        ? 'An engine that filters system calls has seccomp among the security options of `docker info`; `--runtime runsc` needs none'
        : 'Use another engine with `--context`, or `--runtime runsc`'
    );
}

# The bottle starts while its sidecar still does; the agent must not see a proxy that is not there yet. An address that
# refuses is there, and its proxy still starts: that takes long where many bottles do so at once. Where nobody refuses
# any more, nobody is.
sub await_sidecar {
    my ($ip, $port) = @_;
    my $address = pack_sockaddr_in($port, inet_aton($ip));
    my $begin = my $there = time;
    while (1) {
        socket(my $socket, PF_INET, SOCK_STREAM, 0) or fail("cannot make a socket: $!");
        # Short tries: one that begins before the sidecar has its address would wait for long.
        local $SIG{ALRM} = sub { };
        ualarm(100_000);
        my $connected = connect($socket, $address);
        my $refused = $!{ECONNREFUSED};
        ualarm(0);
        close($socket);
        return if $connected;
        $there = time if $refused;
        my $waited = time - $begin;
        fail("the sidecar did not answer at $ip:$port within $waited s")
            if time - $there >= $SIDECAR_DEADLINE || $waited >= $STARTING_DEADLINE;
        select(undef, undef, undef, 0.02);
    }
}

# On a terminal the command is a job in the foreground, as a shell's would be, and returns from here; its leader stays
# behind and ends as it ends. No shell is there to type `fg` into: what stops itself, as many programs do on Ctrl-Z, goes
# on at once.
sub become_job {
    require POSIX;
    # Who is in the background may give the terminal away only so.
    local $SIG{TTOU} = 'IGNORE';
    # Without room for one more process the command still has its own.
    my $job = fork // return;
    if ($job == 0) {
        setpgrp(0, 0);
        POSIX::tcsetpgrp(0, $$);
        return;
    }
    for my $signal (qw(HUP INT QUIT TERM)) {
        $SIG{$signal} = sub { kill($signal, $job) };
    }
    while (1) {
        my $pid = waitpid($job, POSIX::WUNTRACED());
        next if $pid < 0 && $!{EINTR};
        last unless $pid == $job && POSIX::WIFSTOPPED(${^CHILD_ERROR_NATIVE});
        POSIX::tcsetpgrp(0, $job);
        kill('CONT', -$job);
    }
    end_as($?);
}

# Ends as what has that wait status has ended.
sub end_as {
    my ($status) = @_;
    my $signal = $status & 127;
    exit($status >> 8) if $signal == 0;
    $SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM);
    kill($signal, $$);
    exit(128 + $signal);
}

sub run {
    my ($name, $entries, $ip, $port, $directory, @command) = @_;
    refuse_weak_kernel();
    for my $entry (@$entries) {
        my ($variable, $value) = split(/=/, $entry, 2);
        fail('the environment is malformed') unless defined $value;
        $ENV{$variable} = $value;
    }
    # Who enters a running bottle does not know whether it was given authorities, and names them anyway.
    if (!-e $EXTRA_AUTHORITIES) {
        for (keys %ENV) { delete $ENV{$_} if $ENV{$_} eq $BUNDLE || $ENV{$_} eq $EXTRA_AUTHORITIES }
    }
    join_authorities();
    await_sidecar($ip, $port);
    chdir($directory) or fail("cannot enter $directory: $!");
    symlink($LEADER, "$DIRECTORY/$name.began") or fail("cannot begin: $!");
    no warnings 'exec';
    exec { $command[0] } @command;
    my $missing = $!{ENOENT};
    print STDERR "claude-bottle: cannot run '$command[0]': $!\n";
    exit($missing ? 127 : 126);
}

# The processes of a session: what a command started, but for what made itself a session of its own.
sub members {
    my ($session) = @_;
    my @members;
    for my $stat (glob('/proc/[0-9]*/stat')) {
        open(my $file, '<', $stat) or next;
        my ($pid, $rest) = (<$file> // '') =~ /^([0-9]+) .*\) (.*)$/s or next;
        my ($state, undef, undef, $of) = split(/ /, $rest);
        push @members, $pid if $of == $session && $state !~ /[ZX]/;
    }
    return @members;
}

sub end {
    my ($name) = @_;
    unlink("$DIRECTORY/$name");
    # Whoever makes the link first decides whether the command is run.
    exit 3 if symlink('never', "$DIRECTORY/$name.began");
    my ($session) = (readlink("$DIRECTORY/$name.began") // '') =~ /^([1-9][0-9]*)$/ or exit 3;
    for my $signal (qw(HUP TERM KILL)) {
        for (1 .. 20) {
            my @members = members($session) or exit 0;
            kill($signal, @members) if $_ == 1;
            select(undef, undef, undef, 0.05);
        }
    }
    exit 0;
}

my $mode = shift @ARGV;
end(@ARGV) if $mode eq 'end';
put(@ARGV) if $mode eq 'put';
if ($mode eq 'attached') {
    my $name = shift @ARGV;
    become_job() if -t STDIN;
    run($name, [take($name)], @ARGV);
}
if ($mode eq 'headless') {
    my $name = shift @ARGV;
    my @entries = read_frames(\*STDIN);
    open(STDIN, '<', '/dev/null') or fail("cannot open /dev/null: $!");
    run($name, \@entries, @ARGV);
}
fail("unknown mode '$mode'");
