#!/usr/bin/perl
# Prints the memory of a bottle, byte by byte as it stands there. Runs as root that may trace.
#
#   bottle_memory.pl processes [NAME]   of every process that it sees but itself, or of those of this name
#   bottle_memory.pl sandbox ID         of the whole bottle under gVisor, as the machine's own processes see it
#
# Fails when it finds none, or may not read one that goes on living.
use strict;
use warnings;

my $PAGE = 4096;
my $BLOCK = 256;    # pages
my $found = 0;
my ($what, $which) = @ARGV;
$| = 1;

sub contents {
    my ($path) = @_;
    open(my $handle, '<:raw', $path) or return '';
    local $/;
    return scalar <$handle> // '';
}

sub opened {
    my ($path) = @_;
    my $handle;
    die "$path: $!\n" if !open($handle, '<:raw', $path) && !$!{ENOENT} && !$!{ESRCH};
    return fileno $handle ? $handle : undef;
}

# Of what it only might use nothing is read: a runtime such as Claude Code's has gigabytes of that. A page counts
# that is there, or swapped out.
sub print_pages {
    my ($memory, $pages, $from, $to) = @_;
    sysseek $pages, $from / $PAGE * 8, 0;
    while ($from < $to) {
        my $count = ($to - $from) / $PAGE;
        sysread($pages, my $flags, 8 * ($count < $BLOCK ? $count : $BLOCK)) or return;
        my @used = map { $_ >> 62 } unpack 'Q*', $flags;
        for (my ($at, $end) = (0, 0); $at < @used; $at = $end + 1) {
            $end = $at;
            $end++ while $end < @used && $used[$end];
            while ($at < $end) {
                sysseek $memory, $from + $at * $PAGE, 0;
                my $got = sysread($memory, my $block, ($end - $at) * $PAGE) // 0;
                print $block if $got > 0;
                $at += int($got / $PAGE) || 1;
            }
        }
        $from += @used * $PAGE;
    }
}

sub print_process {
    my ($process) = @_;
    my ($maps, $memory, $pages) = map { opened("$process/$_") // return } qw(maps mem pagemap);
    while (<$maps>) {
        my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) r/ or next;
        # The kernel's own page has an address that is no number to seek to.
        print_pages($memory, $pages, hex $from, hex $to) if length $from < 16;
    }
    $found++;
}

# Holes are left out.
sub print_file {
    my ($memory) = @_;
    my ($DATA, $HOLE) = (3, 4);
    for (my $at = 0; defined(my $from = sysseek $memory, $at, $DATA);) {
        $at = sysseek $memory, $from, $HOLE;
        sysseek $memory, $from, 0;
        while ($from < $at) {
            my $left = $at - $from;
            my $got = sysread($memory, my $block, $left < $BLOCK * $PAGE ? $left : $BLOCK * $PAGE) or die "$!\n";
            print $block;
            $from += $got;
        }
    }
    $found++;
}

for my $process (glob '/proc/[0-9]*') {
    # A process that has ended has none.
    my @argv = split /\0/, contents("$process/cmdline") or next;
    if ($what eq 'processes') {
        next if $process eq "/proc/$$";
        print_process($process) if !defined $which || contents("$process/comm") eq "$which\n";
    } elsif ($argv[0] eq 'runsc-sandbox' && $argv[-1] eq $which) {
        my @memory = grep { (readlink // '') =~ m{^/memfd:runsc-memory} } glob "$process/fd/*";
        print_file(opened($_)) for @memory;
    }
}
die "no such memory\n" if !$found;
