#!/usr/bin/perl
# Looks for canaries on the machine that the engine runs on. What it looks for is in a file, `NAME HEX` lines, so
# that no canary is in an argv or an environment of its own.
#
#   sightings.pl FILE stream            its stdin
#   sightings.pl FILE files PATH…       every regular file at or below these, links not followed
#   sightings.pl FILE watch UID WORDS…  until stdin ends, again and again: argv and environ of every process, the
#                                       files that runtimes make for an exec, and those of the engine's own folders.
#                                       Left out: environments of the agent's user UID, and of processes that have
#                                       all WORDS in their argv.
#
# Prints `hit PLACE NAME WHERE` once for each, at its end `looked PLACE COUNT` for each place. WHERE is for people.
use strict;
use warnings;
use Time::HiRes qw(sleep time);

my ($file, $mode, @rest) = @ARGV;
my %beginning;    # patterns by what they begin with: most share it, and a block is searched once for all of them
my $longest = 0;
open(my $list, '<', $file) or die "$file: $!\n";
while (<$list>) {
    my ($name, $hex) = split;
    my $bytes = pack('H*', $hex);
    push @{ $beginning{ substr($bytes, 0, 8) } }, [$name, $bytes];
    $longest = length $bytes if length $bytes > $longest;
}
my (%hit, %looked);

sub search {
    my ($place, $where) = @_;
    for my $pattern (map { @{ $beginning{$_} } } grep { index($_[2], $_) >= 0 } keys %beginning) {
        next if index($_[2], $pattern->[1]) < 0;
        $where =~ s/[^\x21-\x7e]+/ /g;
        $hit{"$place $pattern->[0]"} //= substr($where, 0, 200);
    }
}

# Blocks overlap, so that nothing is missed between two.
sub search_stream {
    my ($place, $where, $handle) = @_;
    my $block = '';
    my $bytes = 0;
    while (my $got = sysread($handle, $block, 1 << 20, length $block)) {
        $bytes += $got;
        search($place, $where, $block);
        $block = substr($block, -$longest) if length $block > $longest;
    }
    return $bytes;
}

# A pipe must not be opened: the engine's own carry the streams of an exec.
sub search_files {
    my ($place, @paths) = @_;
    while (defined(my $path = shift @paths)) {
        search($place, $path, $path);
        if (-l $path) { next }
        if (-d _) {
            opendir(my $folder, $path) or next;
            push @paths, map { "$path/$_" } grep { $_ ne '.' && $_ ne '..' } readdir $folder;
        } elsif (-f _) {
            open(my $handle, '<:raw', $path) or next;
            $looked{$place} += search_stream($place, $path, $handle) // 0;
        }
    }
}

sub contents {
    my ($path) = @_;
    open(my $handle, '<:raw', $path) or return '';
    local $/;
    return scalar <$handle> // '';
}

my (%argv_seen, %environ_seen);

sub search_processes {
    my ($uid, @words) = @_;
    for my $pid (map { /(\d+)/ } glob('/proc/[0-9]*')) {
        my $argv = contents("/proc/$pid/cmdline");
        next if $argv eq '';
        $argv =~ tr/\0/ /;
        if (!$argv_seen{$argv}++) { $looked{argv}++; search('argv', $argv, $argv) }
        next if !grep { index($argv, $_) < 0 } @words;
        my ($owner) = contents("/proc/$pid/status") =~ /^Uid:\s+(\d+)/m;
        next if !defined $owner || $owner == $uid;
        my $environ = contents("/proc/$pid/environ");
        if (!$environ_seen{"$argv\0$environ"}++) { $looked{environ}++; search('environ', $argv, $environ) }
    }
}

if ($mode eq 'stream') {
    $looked{stream} = search_stream('stream', 'stdin', \*STDIN);
} elsif ($mode eq 'files') {
    search_files('files', @rest);
} elsif ($mode eq 'watch') {
    my $ended = '';
    for (my $round = 0; ; $round++) {
        search_processes(@rest);
        for my $path (glob('/tmp/runc-process*')) {
            $looked{exec}++;
            search('exec', $path, contents($path));
        }
        search_files('engine', grep { -d } '/run/docker', '/run/containerd') if $round % 8 == 0;
        print "ready\n" and STDOUT->flush if $round == 0;
        vec(my $ready = '', 0, 1) = 1;
        last if select($ready, undef, undef, 0.004) > 0;
    }
}
print "hit $_ $hit{$_}\n" for sort keys %hit;
print "looked $_ $looked{$_}\n" for sort keys %looked;
