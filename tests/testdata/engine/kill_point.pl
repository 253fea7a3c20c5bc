#!/usr/bin/perl
# Stands first on PATH as `docker` and passes every call on to the real client, but for one: there it sends the
# program under test a signal, before the real call is begun or after it ended and before its answer is returned. Its
# folder is found beside the folder it was called from, since the program passes nothing else on:
#
#   state/program   the process that is signalled: only its own calls are points, those of its reaper are none
#   state/real      the real client
#   state/point     `MOMENT SIGNAL CALL`; without it nothing is signalled
#   state/reaper-too  whether whatever waits for the program's end is killed just before it
#   state/calls     `began CALL` and `struck CALL` lines, a tab and the call's process behind each
#   state/runs/ID   the run ids that the calls carried
#   state/agent     the agent's name: what a launch sweeps is confined to it, so that none removes what another one's
#                   reaper should have
#
# A CALL is named by what it does, not by when it comes: `container create agent`, and `#2` for the second such.
use strict;
use warnings;
use Fcntl;
use File::Basename;

my $state = dirname(dirname($0)) . '/state';
my $real = slurp("$state/real");
for (1 .. 1000) { last if -s "$state/program"; select undef, undef, undef, 0.01 }
my $program = slurp("$state/program");
exec { $real } $real, @ARGV if getppid != $program;

mkdir "$state/runs/$_" for map { /^claude-bottle\.run=([a-z2-7]+)$/ ? $1 : () } @ARGV;
my $call = numbered(name_of(@ARGV));
my ($moment, $signal, $chosen) = split ' ', slurp("$state/point"), 3;
my $is_chosen = defined $chosen && $chosen eq $call;
my ($role) = map { /^claude-bottle\.role=(.*)$/ ? $1 : () } @ARGV;
push @ARGV, '--filter', 'label=claude-bottle.agent=' . slurp("$state/agent") if name_of(@ARGV) =~ / of all runs$/;
my $is_remembered = defined $role && name_of(@ARGV) =~ /^container create /;
note('began', $$);
strike() if $is_chosen && $moment eq 'before';
exec { $real } $real, @ARGV unless $is_remembered || $is_chosen && $moment eq 'after';
my $code = performed();
exit $code;

sub strike {
    my @reapers = -e "$state/reaper-too" ? reapers() : ();
    note('struck', $$);
    kill 'KILL', @reapers if @reapers;
    kill $signal, $program or die "kill: $!";
}

# The shells among the program's children that know the run's id.
sub reapers {
    my ($run) = map { basename($_) } glob "$state/runs/*";
    my @found;
    for (`ps -eo pid=,ppid=,args=`) {
        my ($pid, $parent, $words) = /^ *(\d+) +(\d+) (.*)$/s or next;
        push @found, $pid if $parent == $program && $words =~ m{^\S*sh\s} && index($words, $run // "\0") >= 0;
    }
    return @found;
}

# Runs the real client; its exit code. What it answered is passed on after the strike: all at once, or from its first
# words on where it goes on beside the program. What streams passes us by.
sub performed {
    my $streams = grep { /^(exec|--follow|build|pull|run)$/ } @ARGV[ 0 .. 2 ];
    my $goes_on = grep { $_ eq '--attach' } @ARGV;
    my $child;
    local $SIG{TERM} = sub { kill 'TERM', $child if $child };
    pipe(my $from, my $to) or die "pipe: $!";
    $child = fork // die "fork: $!";
    if ($child == 0) {
        $SIG{TERM} = 'DEFAULT';
        open(STDOUT, '>&', $to) or die "dup: $!" unless $streams;
        close $_ for $from, $to;
        exec { $real } $real, @ARGV;
    }
    note('runs', $child);
    close $to;
    my $out = '';
    1 while read_more($from, \$out) && !($goes_on && $out =~ /\n/);
    waited($child) unless $goes_on;
    remember_role($out) if $is_remembered;
    strike() if $is_chosen && $moment eq 'after';
    syswrite STDOUT, $out;
    if ($goes_on) {
        close $from;
        waited($child);
    }
    return $? & 127 ? 128 + ($? & 127) : $? >> 8;
}

sub waited {
    my ($child) = @_;
    my $ended = waitpid $child, 0;
    $ended = waitpid $child, 0 while $ended == -1 && $!{EINTR};
}

# Whether there may be more.
sub read_more {
    my ($from, $out) = @_;
    my $count = sysread $from, $$out, 65536, length $$out;
    return defined $count ? $count > 0 : $!{EINTR};
}

# ---------------------------------------------------------------- names

sub name_of {
    my @words = @_;
    splice @words, 0, 2 if @words && $words[0] eq '--context';
    my $command = shift @words // '';
    if ($command =~ /^(container|network|image|volume|context)$/) { $command .= ' ' . (shift @words // '') }
    return join ' ', grep { length } $command, about($command, @words);
}

sub about {
    my ($command, @words) = @_;
    my $last = $words[-1] // '';
    my ($role) = map { /^(?:label=)?claude-bottle\.role=(.*)$/ ? $1 : () } @words;
    return $role if defined $role;
    return $1 ? 'of the run' : 'of all runs' if $command =~ / ls$/ && "@words" =~ /label=claude-bottle\.run(=?)/;
    return 'to ' . ($last =~ s/^[^:]*://r) if $command eq 'container cp';
    return role_of($last) if $command =~ /^(container start|network connect)$/;
    return (grep { $_ eq '--follow' } @words) ? '--follow' : '' if $command eq 'container logs';
    return $last =~ m{([^/:]+):[^:/]+$} ? $1 : '' if $command =~ /^image (inspect|pull)$/;
    return (map { /([^\/:]+):[^:]+$/ ? $1 : () } grep { /^claude-bottle/ } @words)[0] // '' if $command eq 'image build';
    return executed(@words) if $command eq 'container exec';
    return '';
}

# The program and what it is told to do, without what differs from launch to launch.
sub executed {
    my @words = @_;
    1 while @words && shift(@words) !~ /^[0-9a-f]{64}$/;
    my @said;
    for (@words) {
        next if m{(?:^|/)perl$};
        last if @said == 2 || @said && !/^[a-z]+$/;
        push @said, basename($_);
    }
    return "@said";
}

sub role_of {
    my ($id) = @_;
    return slurp("$state/roles/$id") || '';
}

sub remember_role {
    my ($id) = $_[0] =~ /^([0-9a-f]{64})$/m or return;
    open(my $file, '>', "$state/roles/$id") or die "roles: $!";
    print {$file} $role;
}

# Calls begin at the same time: whoever makes the folder has the number.
sub numbered {
    my ($name) = @_;
    my $folder = $name =~ s/[^A-Za-z0-9.]+/-/gr;
    for my $nth (1 .. 999) {
        return $nth == 1 ? $name : "$name #$nth" if mkdir "$state/counts/$folder-$nth";
    }
    die 'too many calls';
}

sub note {
    my ($what, $process) = @_;
    sysopen(my $file, "$state/calls", O_WRONLY | O_APPEND | O_CREAT) or die "calls: $!";
    syswrite $file, "$what $call\t$process\n";
}

sub slurp {
    my ($path) = @_;
    open(my $file, '<', $path) or return '';
    local $/;
    my $text = <$file> // '';
    chomp $text;
    return $text;
}
