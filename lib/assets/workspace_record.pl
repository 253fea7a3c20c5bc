# Runs inside the bottle as the agent's user.
#
#   record DIRECTORY STATE    remembers in STATE what is in the workspace, before the agent runs
#   compare DIRECTORY STATE   ends whatever the agent left running, and prints how the workspace differs from it
#
# A work tree is compared by types, execute bits, contents and links; a repository by its refs, its reflogs' commits,
# what is staged, its settings and hooks, so that a repacked one, or an index that was only refreshed, is the same.
# Perl-base and coreutils are all there is.
use strict;
use warnings;
use Fcntl ':flock';
use POSIX ();

my ($mode, $root, $state) = @ARGV;
$ENV{PATH} = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
$ENV{GIT_OPTIONAL_LOCKS} = '0';
$ENV{LC_ALL} = 'C';

sub fail { print STDERR "claude-bottle: $_[0]\n"; exit 1 }

sub content {
    my ($file) = @_;
    open(my $in, '<:raw', $file) or return '';
    local $/;
    return scalar(<$in>) // '';
}

sub names {
    my ($directory) = @_;
    opendir(my $handle, $directory) or return;
    return sort grep { $_ ne '.' && $_ ne '..' } readdir($handle);
}

my %entries;    # path => what is there; a directory is `d`, an empty one `e`, one that cannot be read `u`
my @files;
my %git;        # path of a git directory => { ref => value }

# Not recursive in perl's sense: a tree may be deeper than its stack warnings like.
sub scan {
    my @waiting = ('');
    while (@waiting) {
        my $directory = shift @waiting;
        my @names = names("$root/$directory");
        my $kind = @names ? 'd' : -r "$root/$directory" && -x _ ? 'e' : 'u';
        $entries{$directory} = $kind if $directory ne '';
        for my $name (@names) {
            my $path = $directory eq '' ? $name : "$directory/$name";
            my @facts = lstat("$root/$path") or next;
            if (-l _) { $entries{$path} = 'l' . (readlink("$root/$path") // '') }
            elsif (-d _) {
                if (lc($name) eq '.git') { git_directories($path) }
                else { push @waiting, $path }
            }
            elsif (-f _) {
                $entries{$path} = 'f' . ($facts[2] & 0100 ? 'x' : '-');
                push @files, $path;
            }
            else { $entries{$path} = 'o' }
        }
    }
    hash_files();
}

# By way of a file: a program that reads and writes at once would wait for us as we for it.
sub hash_files {
    my $list = "$state/list";
    open(my $out, '>:raw', $list) or fail("cannot write $list: $!");
    print {$out} map { "./$_\0" } @files;
    close($out) or fail("cannot write $list: $!");
    defined(my $child = open(my $in, '-|')) or fail("cannot start a process: $!");
    if ($child == 0) {
        chdir($root) && open(STDIN, '<', $list) && open(STDERR, '>', '/dev/null')
            && exec('xargs', '-0', '-r', 'sha256sum', '-b', '-z', '--');
        exit 127;
    }
    binmode($in);
    local $/ = "\0";
    while (my $line = <$in>) {
        $entries{$2} .= $1 if $line =~ m{\A([0-9a-f]{64}) \*\./(.*)\0\z}s;
    }
    close($in);
    # 123: one could not be read, which only its agent can have done.
    fail('cannot compute the sums of the files') unless $? == 0 || $? >> 8 == 123;
    unlink($list);
}

# The one at `$path`, and those of its submodules.
sub git_directories {
    my ($path) = @_;
    $git{$path} = refs("$root/$path");
    my @waiting = ("$path/modules");
    while (my $directory = shift @waiting) {
        for my $name (names("$root/$directory")) {
            my $inner = "$directory/$name";
            next if -l "$root/$inner" || !-d _;
            if (-f "$root/$inner/HEAD") { git_directories($inner) }
            else { push @waiting, $inner }
        }
    }
}

sub refs {
    my ($git) = @_;
    my %refs = (HEAD => content("$git/HEAD"), ' tables' => content("$git/reftable/tables.list"));
    for my $line (split(/\n/, content("$git/packed-refs"))) {
        $refs{$2} = $1 if $line =~ /\A([0-9a-f]{40,64}) (\S+)\z/;
    }
    my @waiting = grep { -d "$git/$_" } 'refs', map { "worktrees/$_" } names("$git/worktrees");
    while (my $directory = shift @waiting) {
        for my $name (names("$git/$directory")) {
            my $ref = "$directory/$name";
            if (-d "$git/$ref") { push @waiting, $ref if $directory =~ /^refs/ }
            elsif ($directory =~ /^refs/ || $name eq 'HEAD') { $refs{$ref} = content("$git/$ref") }
        }
    }
    my @own = (qw(config config.worktree), map({ "info/$_" } qw(attributes exclude grafts sparse-checkout)),
        map { "hooks/$_" } names("$git/hooks"));
    $refs{" own $_"} = content("$git/$_") for grep { -f "$git/$_" } @own;
    s/\s+\z//, tr/\0/ / for values %refs;
    $refs{' staged'} = staged($git);
    $refs{' logs'} = join(' ', logged($git));
    return \%refs;
}

# Commits that reflogs name: one that was made and left again is in no ref.
sub logged {
    my ($git) = @_;
    my %commits;
    my @waiting = ('logs');
    while (my $path = shift @waiting) {
        if (-d "$git/$path") { push @waiting, map { "$path/$_" } names("$git/$path"); next }
        next unless -f _;
        $commits{$_}++ for content("$git/$path") =~ /^[0-9a-f]{40,64} ([0-9a-f]{40,64}) /mg;
    }
    return sort keys %commits;
}

# Without git in the image, or when it refuses, its index as it is.
sub staged {
    my ($git) = @_;
    my $script = 'cd "$2" && { git --git-dir="$1" -c core.fsmonitor=false -c safe.directory="*" ls-files --stage -z '
        . '2>/dev/null || cat "$1/index" 2>/dev/null; } | sha256sum';
    open(my $in, '-|', 'sh', '-c', $script, 'sh', $git, $root) or fail("cannot start a process: $!");
    my $sum = <$in> // '';
    close($in);
    return $sum =~ /\A([0-9a-f]{64})/ ? $1 : 'unknown';
}

# NUL ends each text; a ref has no line feed in it, a path may.
sub save {
    open(my $out, '>:raw', "$state/record") or fail("cannot write $state/record: $!");
    print {$out} "w$_\0$entries{$_}\0" for keys %entries;
    for my $path (keys %git) {
        print {$out} "g$path\n$_\0$git{$path}{$_}\0" for keys %{ $git{$path} };
    }
    print {$out} "end\0\0";
    close($out) or fail("cannot write $state/record: $!");
}

sub load {
    my (%old, %old_git);
    my @texts = split(/\0/, content("$state/record"), -1);
    fail('there is no record of the launch') unless @texts >= 3 && $texts[-3] eq 'end';
    for (my $at = 0; $at < @texts - 3; $at += 2) {
        my ($kind, $key) = (substr($texts[$at], 0, 1), substr($texts[$at], 1));
        if ($kind eq 'w') { $old{$key} = $texts[ $at + 1 ]; next }
        my $feed = rindex($key, "\n");
        $old_git{ substr($key, 0, $feed) }{ substr($key, $feed + 1) } = $texts[ $at + 1 ];
    }
    return (\%old, \%old_git);
}

# Commits that neither ref nor reflog of the launch leads to; 0 where git cannot tell.
sub new_commits {
    my ($git, $old) = @_;
    my @known = grep { /\A[0-9a-f]{40,64}\z/ } map { $old->{$_} } grep { $_ !~ /^ / } keys %$old;
    push @known, split(/ /, $old->{' logs'} // '');
    my $list = "$state/known";
    open(my $out, '>', $list) or return 0;
    print {$out} map { "^$_\n" } @known;
    close($out);
    my $script = 'cd "$1" && git --git-dir="$2" -c safe.directory="*" rev-list --count --ignore-missing --all $3 --stdin '
        . '<"$4" 2>/dev/null';
    for my $more ('HEAD', '', '--reflog') {
        open(my $in, '-|', 'sh', '-c', $script, 'sh', $root, $git, $more, $list) or return 0;
        my $count = <$in> // '';
        close($in);
        return $1 if $count =~ /\A([1-9][0-9]*)\n\z/;
    }
    return 0;
}

sub is_leaf { return $_[0] ne 'd' }

sub compare {
    my ($old, $old_git) = @_;
    my ($changed, $added, $removed, $refs, $settings, $commits) = (0, 0, 0, 0, 0, 0);
    for my $path (keys %entries) {
        my ($now, $before) = ($entries{$path}, $old->{$path});
        if (!defined $before) { $added++ if is_leaf($now) }
        # A directory that was empty, or became it, is told by what is in it.
        elsif ($now ne $before && "$now$before" !~ /\A[de]{2}\z/) { $changed++ }
    }
    for my $path (keys %$old) { $removed++ if !exists $entries{$path} && is_leaf($old->{$path}) }
    my %paths = (%git, %$old_git);
    for my $path (keys %paths) {
        my ($now, $before) = ($git{$path} // {}, $old_git->{$path} // {});
        my %names = (%$now, %$before);
        my @differing = grep { ($now->{$_} // "\n") ne ($before->{$_} // "\n") } keys %names;
        $settings += grep { /^ own / } @differing;
        $refs += grep { $_ ne ' logs' && !/^ own / } @differing;
        $commits += new_commits("$root/$path", $before) if @differing && exists $git{$path};
    }
    print "workspace changed=$changed added=$added removed=$removed refs=$refs settings=$settings commits=$commits\n";
}

if ($mode eq 'record') {
    mkdir($state, 0700) || $!{EEXIST} or fail("cannot make $state: $!");
    scan();
    save();
}
elsif ($mode eq 'compare') {
    my @old = load();
    # `stop` in another window may compare too: neither ends the other before it has answered.
    open(my $lock, '>', "$state/lock") or fail("cannot write $state/lock: $!");
    flock($lock, LOCK_EX) or fail("cannot lock $state/lock: $!");
    # What still runs would go on changing what has been compared. Ours are the agent's processes, and not ourselves.
    kill('KILL', -1);
    scan();
    $| = 1;
    compare(@old);
    # The lock goes with the process, when nothing can end it any more before it has answered.
    POSIX::_exit(0);
}
else { fail("unknown mode '$mode'") }
