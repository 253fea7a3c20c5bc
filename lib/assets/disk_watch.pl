# Tells every few seconds, as `disk BYTES`, how much disk a bottle takes. It ends with its stdin.
#
#   bottle UID GID [DIR]  beside a bottle, among its processes: what was written to its root file system since it
#                         started, by the user that can write there, and what there is in the workspace DIR
#   volume                beside a bottle: what there is in its workspace, mounted at /workspace
#   sandbox               inside a gVisor sandbox, as root: what its root file system keeps on the engine's disk
#
# Nothing of it runs as the agent's user, so the agent can neither end it nor answer for it, and it sees into folders
# that are closed even to the agent itself. Blocks count, not lengths: a file may have holes. Every file counts as one
# block at least, since a disk can run out of files too. What was deleted counts as long as a process has it open.
# A measurement that did not see everything tells nothing. It ends with 3 where nothing can be measured at all.
# Not seen: deleted files that are only mapped into memory, or on their way from process to process through a socket;
# what is moved from folder to folder so that it is never where is being looked; under gVisor deleted files of the
# workspace.
use strict;
use warnings;

my $BLOCK = 4096;
# Seconds between two measurements: at least the first, and so many times as long as one took, but no more than the last.
my ($SHORTEST, $TIMES, $LONGEST) = (2, 10, 30);
# The least that a name of a file counts: each takes time to look at, and one file may have thousands.
my $NAME = 512;
# Open files that are looked at, a few seconds' worth.
my $OPEN = 1_000_000;
# Measurements in a row that need not see everything.
my $PATIENCE = 10;

$| = 1;
delete @ENV{ grep { $_ ne 'PATH' } keys %ENV };
$ENV{PATH} = '/usr/local/bin:/usr/bin:/bin';

sub fail { print STDERR "claude-bottle: $_[0]\n"; exit 1 }
sub unfit { print STDERR "claude-bottle: $_[0]\n"; exit 3 }

# All but its complaints: files come and go while they are counted.
sub output {
    my (@command) = @_;
    open(my $stderr, '>&', \*STDERR) or fail("cannot keep stderr: $!");
    open(STDERR, '>', '/dev/null') or fail("cannot open /dev/null: $!");
    my $started = open(my $pipe, '-|', @command);
    open(STDERR, '>&', $stderr) or exit 1;
    fail("cannot run $command[0]: $!") unless $started;
    return $pipe;
}

# Otherwise a folder that is closed to us, or another `find` than GNU's, would count for nothing.
sub require_countable {
    my ($directory) = @_;
    opendir(my $handle, $directory) or unfit("cannot look into $directory: $!");
    closedir($handle);
    -x '/usr/bin/find' or unfit('cannot run /usr/bin/find');
    my $pipe = output('/usr/bin/find', $directory, '-maxdepth', '0', '-newerct', '@1', '-printf', '%y %n %b\n');
    (<$pipe> // '') =~ /^d [0-9]+ [0-9]+$/ or unfit("/usr/bin/find cannot count in $directory");
    close($pipe);
}

# The blocks of files below some places, each on its own file system; undefined when not all were counted. `find`
# follows no links, however fast folders turn into them, and reaches folders of any depth. But it leaves a place as soon
# as a folder that it is deep in is moved, and may run out of memory: it tells of a place itself only at the end of it.
sub blocks {
    my ($places, @tests) = @_;
    return 0 unless @$places;
    my @print = ('-printf', '%d %y %n %b\n', '-o', '-printf', '%d\n');
    my $pipe = output('/usr/bin/find', @$places, '-xdev', '-depth', @tests, @print);
    my ($bytes, $whole) = (0, 0);
    while (my $line = <$pipe>) {
        my ($depth, $kind, $links, $blocks) = $line =~ /^([0-9]+)(?: (.) ([0-9]+) ([0-9]+))?$/ or next;
        $whole++ if $depth == 0;
        next unless defined $blocks;
        # Each name of a file has its share of it: nothing has to be remembered, however many there are. The links of
        # a folder are its folders.
        $links = 1 if $kind eq 'd' || $links < 1;
        my $share = ($blocks * 512 > $BLOCK ? $blocks * 512 : $BLOCK) / $links;
        $bytes += $share > $NAME ? $share : $NAME;
    }
    close($pipe);
    return $whole < (grep { can_be_counted($_) } @$places) ? undef : int($bytes);
}

# Without the right to look into closed folders `find` passes them by.
sub can_be_counted {
    my ($place) = @_;
    return 1 unless -d $place;
    opendir(my $handle, $place) or return 0;
    return 1;
}

# The places of a root file system that a user can write to; all else of it stays as its image made it, and an image
# has tens of thousands of files.
sub writable {
    my ($root, $uid, $gid) = @_;
    my @by = ('-user', $uid, '-o', '-group', $gid, '-perm', '-0020', '-o', '-perm', '-0002');
    my $pipe = output('/usr/bin/find', "$root/", '-xdev', '!', '-type', 'l', '(', @by, ')', '-print0', '-prune');
    local $/ = "\0";
    chomp(my @places = <$pipe>);
    close($pipe);
    return @places > 1000 ? ("$root/") : @places;
}

# The blocks of deleted files of these file systems that processes hold open.
sub deleted {
    my (@devices) = @_;
    my %of = map { $_ => 1 } @devices;
    my ($bytes, $open, %seen) = (0, 0);
    # A thread may have descriptors of its own.
    for my $thread (glob('/proc/[0-9]*/task/[0-9]*')) {
        opendir(my $handle, "$thread/fd") or next;
        for my $descriptor (grep { /^[0-9]+$/ } readdir($handle)) {
            ++$open <= $OPEN or fail("its processes have more than $OPEN files open");
            my ($device, $inode, undef, $links, @more) = stat("$thread/fd/$descriptor") or next;
            next if $links != 0 || !$of{$device} || $seen{"$device $inode"}++;
            $bytes += $more[-1] * 512;
        }
    }
    return $bytes;
}

# When the bottle began, in whole seconds: what is older is its image's. No agent can date a change of a file back.
sub beginning {
    open(my $stat, '<', '/proc/1/stat') or unfit("cannot see the bottle's first process: $!");
    my $ticks = (split(/ /, (<$stat> // '') =~ s/^.*\) //sr))[19];
    open(my $machine, '<', '/proc/stat') or unfit("cannot see the machine's clock: $!");
    my ($boot) = map { /^btime ([0-9]+)/ ? $1 : () } <$machine>;
    unfit('cannot tell when the bottle began') unless $ticks && $boot;
    return int($boot + $ticks / 100) - 1;
}

sub bottle {
    my ($uid, $gid, $directory) = @_;
    my $root = '/proc/1/root';
    my @workspace = $directory ? ("$root$directory/") : ();
    require_countable($_) for "$root/", @workspace;
    my @places = writable($root, $uid, $gid);
    my $beginning = beginning();
    return sub {
        my @parts = (blocks(\@places, '-newerct', "\@$beginning"), blocks(\@workspace));
        return undef if grep { !defined } @parts;
        return $parts[0] + $parts[1] + deleted(map { (stat)[0] // () } "$root/", @workspace);
    };
}

sub volume {
    require_countable('/workspace/');
    return sub { blocks(['/workspace/']) };
}

# Only gVisor's own file system in the place of the container's knows this; any other tells of the engine's whole disk.
sub sandbox {
    my $pipe = output('/usr/bin/stat', '--file-system', '--format', '%T %b %f %S', '/');
    my $line = <$pipe>;
    close($pipe);
    return undef unless defined $line;
    my ($total, $free, $size) = $line =~ /^overlayfs ([0-9]+) ([0-9]+) ([0-9]+)$/
        or unfit('this sandbox does not tell what it takes');
    return ($total - $free) * $size;
}

sub is_over {
    my ($seconds) = @_;
    my $end = time + $seconds;
    while ((my $left = $end - time) > 0) {
        vec(my $ready = '', fileno(STDIN), 1) = 1;
        next unless select($ready, undef, undef, $left) > 0;
        return 1 unless sysread(STDIN, my $ignored, 4096);
    }
    return 0;
}

my ($mode, @about) = @ARGV;
my $measure = $mode eq 'bottle' ? bottle(@about)
    : $mode eq 'volume' ? volume(@about)
    : $mode eq 'sandbox' ? \&sandbox
    : unfit("unknown mode '$mode'");
my $partial = 0;
while (1) {
    my $started = time;
    my $bytes = $measure->();
    $partial = defined $bytes ? 0 : $partial + 1;
    $partial < $PATIENCE or fail('its files could not be counted: folders move meanwhile, or are too many');
    !defined $bytes or print "disk $bytes\n" or exit 1;
    my $pause = (time - $started) * $TIMES;
    $pause = $SHORTEST if $pause < $SHORTEST;
    is_over($pause < $LONGEST ? $pause : $LONGEST) and exit 0;
}
__END__
