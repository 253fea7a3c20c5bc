#!/usr/bin/perl
# Stands in for the docker CLI on PATH: records every call and answers like an engine that has nothing but what
# was created through it. Its folder is found beside the folder it was called from, since the program under test
# passes nothing else on:
#
#   state/calls/NNNN/{argv,env,stdin,kind,stdout,code}  one folder a call, in the order they began
#   state/events                                  `start NNNN` and `end NNNN`, in the order they happened
#   state/objects/ID/{kind,name,argv,…}           what exists; moved to state/removed/ID when removed
#   state/settings                                `NAME VALUE` lines of the test, see fake_docker.ts
#
# `kind` is the id of the plan's step that makes such a call, or a name for what no step does.
use strict;
use warnings;
use Fcntl;
use File::Basename;

my $state = dirname(dirname($0)) . '/state';
my %settings;
for my $line (split /\n/, slurp("$state/settings")) {
    my ($name, $value) = split / /, $line, 2;
    push @{ $settings{$name} }, $value // '';
}

our @words = @ARGV;
splice @words, 0, 2 if @words && $words[0] eq '--context';
my $command = shift @words // '';
if ($command =~ /^(container|network|image|volume|context)$/) { $command .= ' ' . (shift @words // '') }

my ($number, $folder) = next_call();
spew("$folder/argv", join '', map { "$_\0" } @ARGV);
spew("$folder/env", join '', map { "$_=$ENV{$_}\0" } sort keys %ENV);
my $kind = kind_of();
spew("$folder/kind", $kind);
event("start $number");
my $stdin = read_stdin();
spew("$folder/stdin", $stdin);
my $out = '';
our $told = 0;
our $fault = '';
my $code = perform();
spew("$folder/stdout", $out);
print STDOUT $out;
close STDOUT;
spew("$folder/code", $code);
event("end $number") unless $told;
exit $code;

# ---------------------------------------------------------------- the call

sub kind_of {
    my $last = $words[-1] // '';
    return 'info' if $command eq 'info';
    return 'client-version' if $command eq '--version';
    return 'context' if $command eq 'context inspect';
    return 'ps' if $command eq 'ps';
    return 'verify' if $command eq 'inspect';
    if ($command eq 'image inspect') {
        my $role = $last =~ /^claude-bottle:/ ? 'agent' : $last =~ /^claude-bottle-squid:/ ? 'sidecar' : 'other';
        return 'sidecar-image' if option('--format') && $last =~ /pipelock/;
        return 'find-pipelock-image' if $last =~ /pipelock/;
        return option('--format') ? "$role-image" : "find-$role-image";
    }
    return (option('--tag') =~ /squid/ ? 'sidecar' : 'agent') . '-build' if $command eq 'image build';
    return $last =~ /pipelock/ ? 'sidecar-pull' : 'base-image' if $command eq 'image pull';
    return 'ping' if $command eq 'version';
    return 'workspace-volume' if $command eq 'volume create';
    return 'find-volume' if $command eq 'volume inspect';
    return $last eq id_of('bridge') ? 'find-subnets' : 'find-network' if $command eq 'network inspect';
    return $last =~ /-internal$/ ? 'internal-network' : 'egress-network' if $command eq 'network create';
    return role_of(@words) . '-create' if $command eq 'container create';
    return $last =~ m{:/config$} ? 'sidecar-config' : $last =~ m{:/$} ? 'agent-files' : 'workspace-files'
        if $command eq 'container cp';
    return role_of(argv_of($last)) . '-start' if $command eq 'container start';
    return option('--ip') ? 'sidecar-connect' : 'sidecar-join' if $command eq 'network connect';
    return 'end-all' if $command eq 'container exec' && $last eq 'kill 9, -1';
    return 'watch-disk' if $command eq 'container run' || $last eq 'sandbox';
    return 'began' if $command eq 'container exec' && grep { $_ eq 'test' } @words[ 0 .. 4 ];
    return 'end' if $command eq 'container exec' && ($words[-2] // '') eq 'end';
    return 'ready' if $command eq 'container exec' && $last eq '/bin/true';
    if ($command eq 'container exec') {
        my ($at) = grep { $words[$_] =~ m{/workspace_record\.pl$} } 0 .. $#words;
        return 'workspace-' . $words[ $at + 1 ] if defined $at;
        return 'host-keys' if grep { m{/ssh_host_keys\.pl$} } @words;
    }
    return 'ssh-agent' if $command eq 'container exec' && $last =~ /ssh_agent\.pl$/;
    return 'authority' if $command eq 'container exec' && $last =~ /trust_authority\.pl$/;
    return 'sidecar-open' if $command eq 'container exec' && option('--user') eq '13:13';
    return (grep { $_ eq 'put' } @words) ? 'agent-env' : 'agent' if $command eq 'container exec';
    return 'explain' if $command eq 'container inspect';
    return 'logs' if $command eq 'container logs';
    return "remove-$1s" if $command =~ /^(container|network|volume) rm$/;
    return 'find-networks' if $command eq 'network ls' && !option('--filter');
    # All runs together, or one.
    my $listing = option('--filter') =~ /=.*=/ ? 'list' : 'survey';
    return "$listing-$1s" if $command =~ /^(container|network|volume) ls$/;
    return 'unknown';
}

# The first value of an option among the words; empty when it is not there.
sub option {
    my ($name) = @_;
    for my $index (0 .. $#words - 1) { return $words[ $index + 1 ] if $words[$index] eq $name }
    return '';
}

sub role_of {
    for (@_) { return $1 if /^claude-bottle\.role=(.*)$/ }
    return 'unknown';
}

sub read_stdin {
    return '' if $command eq 'container exec' && grep { $_ eq '--tty' } @words;
    return '' if $kind eq 'watch-disk' || $kind eq 'agent-start';
    return '' unless grep { $_ eq '-' || $_ eq '--interactive' } @words;
    local $/;
    return <STDIN> // '';
}

sub perform {
    $fault = fault_now();
    wait_for("$state/release-$kind") if grep { $_ eq $kind } @{ $settings{hold} // [] };
    return refuse(1, 'Error response from daemon: injected fault') if $fault eq 'exit1';
    return refuse(125, 'docker: injected fault') if $fault eq 'exit125';
    return refuse(1, "Error response from daemon: cannot take $stdin") if $fault eq 'echo';
    # What is asked for before the silence is done all the same, and nobody is told.
    if ($fault =~ /^(?:hang|deaf)$/) {
        $SIG{TERM} = 'IGNORE' if $fault eq 'deaf';
        answer();
        sleep 1 while 1;
    }
    return refuse(1, 'Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?')
        if $fault eq 'gone';
    return refuse(1, "Error response from daemon: Conflict. The container name \"/" . option('--name')
            . '" is already in use by container "0123". You have to remove (or rename) that container to be able '
            . 'to reuse that name.') if $fault eq 'conflict';
    return refuse(1, 'Error response from daemon: Pool overlaps with other one on this address space')
        if $fault eq 'overlap';
    my $result = answer();
    $out = '' if $fault eq 'empty';
    $out = qq({"Id": nothing\n) if $fault eq 'bad-json';
    $out = substr($out, 0, int(length($out) / 2)) if $fault eq 'truncated';
    return $result;
}

# `fault KIND NTH TYPE`: the fault of this call, if it is the NTH of its kind, counted from 1, or NTH is `*`.
sub fault_now {
    my $time = 1;
    $time++ until mkdir("$state/counts/$kind-$time") || $time > 99;
    for (@{ $settings{fault} // [] }) {
        my ($of, $nth, $type) = split / /;
        return $type if $of eq $kind && ($nth eq '*' || $nth == $time);
    }
    return '';
}

sub refuse {
    my ($code, $said) = @_;
    print STDERR "$said\n";
    return $code;
}

# ---------------------------------------------------------------- the engine

sub answer {
    return answer_info() if $command eq 'info';
    if ($command eq '--version') { $out = "Docker version 28.2.2, build fake\n"; return 0 }
    if ($command eq 'context inspect') {
        $out = json([{ Name => 'default', Endpoints => { docker => { Host => 'unix:///fake.sock' } } }]) . "\n";
        return 0;
    }
    if ($command eq 'version') { $out = "20.10.24\n"; return 0 }
    if ($command eq 'ps') {
        $out = join '', map { json($_) . "\n" } @{ $settings{container} // [] };
        return 0;
    }
    return answer_image() if $command =~ /^image /;
    return answer_network() if $command =~ /^network /;
    return answer_container() if $command =~ /^container / || $command eq 'inspect';
    if ($command eq 'volume ls') { $out = listed('volume'); return 0 }
    if ($command eq 'volume create') { $out = create('volume', $words[-1]) . "\n"; return 0 }
    if ($command eq 'volume inspect') {
        return refuse(1, "Error: No such volume: $words[-1]") unless exists_now($words[-1]);
        $out = json([{ Name => $words[-1] }]) . "\n";
        return 0;
    }
    if ($command eq 'volume rm') { remove($_) for targets(); return 0 }
    return refuse(1, "docker: '$command' is not a docker command.");
}

sub answer_info {
    my %runtimes = map { $_ => { path => $_ } } 'runc', @{ $settings{runtime} // [] };
    my %said = map { my ($name, $value) = split / /, $_, 2; $name => \$value } @{ $settings{info} // [] };
    $out = json({
        ServerVersion => '20.10.24', Runtimes => \%runtimes, MemTotal => \'8589934592', SwapLimit => \'true', ID => 'FAKE',
        SecurityOptions => ['name=seccomp,profile=default'], OSType => 'linux', %said,
    }) . "\n";
    return 0;
}

sub answer_image {
    my $name = $words[-1];
    if ($command eq 'image build' || $command eq 'image pull') {
        my $made = option('--tag') || $name;
        print STDERR "Step 1/1 : $made\n";
        spew("$state/images/" . id_of($made), '');
        return 0;
    }
    my $of = $kind eq 'find-pipelock-image' ? 'find-other-image' : $kind;
    my $absent = grep { $of eq "find-$_-image" || $of eq "$_-image" } @{ $settings{'missing-image'} // [] };
    return refuse(1, "Error: No such image: $name") if $absent && !-e "$state/images/" . id_of($name);
    my $id = 'sha256:' . id_of($name);
    if (option('--format')) { $out = "$id\n"; return 0 }
    $out = json([{
        Id => $id, Config => {
            Env => ['PATH=/usr/local/bin:/usr/bin:/bin'], User => '', Labels => { 'claude-bottle.agent-uid' => '47291' },
        },
    }]) . "\n";
    return 0;
}

sub answer_network {
    if ($command eq 'network create') {
        return refuse(1, "Error response from daemon: network with name $words[-1] already exists")
            unless mkdir "$state/names/network-$words[-1]";
        $out = create('network', $words[-1]) . "\n";
        return 0;
    }
    if ($kind eq 'find-networks') { $out = json(id_of('bridge')) . "\n"; return 0 }
    if ($kind eq 'find-subnets') {
        $out = json([{ Name => 'bridge', IPAM => { Config => [{ Subnet => '172.17.0.0/16' }] } }]) . "\n";
        return 0;
    }
    if ($command eq 'network inspect') {
        my ($id) = map { /^\Q$words[-1]\E (.*)$/ ? $1 : () } @{ $settings{network} // [] };
        return refuse(1, "Error: No such network: $words[-1]") unless $id;
        $out = option('--format') ? "$id\n" : json([{
            Id => $id, Name => $words[-1], Driver => 'bridge', Internal => \'false', Labels => {},
        }]) . "\n";
        return 0;
    }
    if ($command eq 'network connect') {
        my ($network, $container) = @words[ -2, -1 ];
        return refuse(1, "Error response from daemon: No such container: $container") unless exists_now($container);
        spew("$state/objects/$container/network-$network", option('--ip'));
        return 0;
    }
    if ($command eq 'network ls') { $out = listed('network'); return 0 }
    if ($command eq 'network rm') { return remove_all('network') }
    return refuse(1, "docker: '$command' is not a docker command.");
}

sub answer_container {
    if ($command eq 'container create') {
        my $name = option('--name');
        return refuse(1, "Error response from daemon: Conflict. The container name \"/$name\" is already in use by "
                . 'container "0123".') unless mkdir "$state/names/container-$name";
        my $id = create('container', $name);
        spew("$state/objects/$id/network-" . option('--network'), option('--ip'));
        $out = "$id\n";
        return 0;
    }
    if ($command eq 'container ls') { $out = listed('container'); return 0 }
    if ($command eq 'container rm') { return remove_all('container') }
    return watch_disk() if $kind eq 'watch-disk';
    if ($kind eq 'sidecar-open') { return open_sidecar() }
    if ($kind eq 'authority') { return 0 }
    if ($command eq 'container exec') { return run_agent() }
    return tell_log() if $command eq 'container logs';
    my @found = targets();
    s/:.*// for @found;
    @found = grep { /^[0-9a-f]{64}$/ } @found;
    my ($gone) = grep { !exists_now($_) } @found;
    return refuse(1, 'Error: No such object: ' . ($gone // $words[-1])) if $gone || !@found;
    if ($command eq 'container start') {
        spew("$state/objects/$found[0]/running", '');
        return held_open($found[0]) if grep { $_ eq '--attach' } @words;
        $out = "$found[0]\n";
    }
    # The reaper's template.
    if ($command eq 'container inspect' && option('--format')) {
        for my $found (map { inspection($_) } @found) {
            $out .= join(' ', $found->{Id}, map { json($_) } $found->{Config}{Labels}{'claude-bottle.role'}, $found->{HostConfig}) . "\n";
        }
        return 0;
    }
    if ($command =~ /inspect$/) { $out = json([map { inspection($_) } @found]) . "\n" }
    return 0;
}

# A sidecar that takes every secret that it is given.
sub open_sidecar {
    my $rest = $stdin;
    while ($rest =~ s/\A([0-9]+):// && $1) {
        my ($env, $placeholder) = split /\0/, substr($rest, 0, $1, '');
        $rest =~ s/\A,//;
        $out .= "placeholder $env $placeholder\n";
    }
    my $certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    $out .= "hash 0badc0de\n$certificate\nready\n";
    return 0;
}

# The sidecar's log; followed, until the sidecar ends.
sub tell_log {
    my @log = @{ $settings{log} // [] };
    my $second = 0;
    @log = map { sprintf "2026-11-25T22:10:%02d.000000000Z %s", $second++, $_ } @log
        if grep { $_ eq '--timestamps' } @words;
    my $tail = option('--tail');
    @log = @log[ -$tail .. -1 ] if $tail && $tail < @log;
    $out = join '', map { "$_\n" } @log;
    return 0 if $fault || !grep { $_ eq '--follow' } @words;
    local $| = 1;
    print STDOUT $out;
    $out = '';
    select undef, undef, undef, 0.05 while exists_now($words[-1]) && -e "$state/objects/$words[-1]/running";
    return 0;
}

# A started container that ends with our stdin, or with its removal.
sub held_open {
    my ($id) = @_;
    return 0 if $fault =~ /^(?:empty|hang|deaf)$/;
    local $| = 1;
    print STDOUT $fault eq 'bad-json' ? qq({"Id": nothing\n) : $fault eq 'truncated' ? "u\n" : "up\n";
    # Whoever waits for it goes on from here.
    event("end $number");
    $told = 1;
    while (exists_now($id)) {
        vec(my $readable = '', fileno(STDIN), 1) = 1;
        last if select($readable, undef, undef, 0.05) && !sysread(STDIN, my $bytes, 4096);
    }
    unlink "$state/objects/$id/running";
    return exists_now($id) ? 0 : 137;
}

# Tells what the test says that the bottle takes, until its stdin ends.
sub watch_disk {
    local $| = 1;
    my $read = '';
    for my $bytes (@{ $settings{disk} // [] }) { print STDOUT "disk $bytes\n" }
    $read .= $_ while <STDIN>;
    spew("$folder/stdin", $read);
    return 0;
}

sub run_agent {
    return 0 if grep { $kind eq $_ } qw(agent-env ready end end-all ssh-agent workspace-record);
    if ($kind eq 'workspace-compare') {
        my $changed = ($settings{changed} // [0])->[0];
        $out = "workspace changed=$changed added=0 removed=0 refs=0 settings=0 commits=0\n";
        return 0;
    }
    if ($kind eq 'host-keys') { $out = "$_\n" for join "\n", @{ $settings{'host-key'} // [] }; return 0 }
    return -e "$state/" . basename($words[-1]) ? 0 : 1 if $kind eq 'began';
    # The wrapper's first word is how it is run, its second names the environment.
    my ($at) = grep { $words[$_] =~ /^(headless|attached)$/ } 0 .. $#words;
    spew("$state/$words[ $at + 1 ].began", '') unless $settings{'agent-unstarted'};
    for my $id (stopped_meanwhile()) { unlink "$state/objects/$id/running" }
    if ($settings{'agent-waits'}) {
        # CLI 28 ends with code 0 on SIGTERM.
        $SIG{TERM} = sub { spew("$folder/terminated", ''); exit 0 };
        print STDOUT "waiting\n";
        wait_for("$state/release-agent");
    }
    $out = "$_\n" for join "\n", @{ $settings{'agent-says'} // [] };
    return ($settings{'agent-code'} // [0])->[0];
}

# Ids of the containers of the roles that the test lets stop while the agent runs.
sub stopped_meanwhile {
    my %roles = map { $_ => 1 } @{ $settings{'stops'} // [] };
    return grep { $roles{ role_of(argv_of($_)) } } map { basename($_) } glob("$state/objects/*");
}

# ---------------------------------------------------------------- objects

sub create {
    my ($type, $name) = @_;
    # A volume has no id but its name.
    my $id = $type eq 'volume' ? $name : id_of("$number $name");
    mkdir "$state/objects/$id.new" or die "mkdir: $!";
    spew("$state/objects/$id.new/kind", $type);
    spew("$state/objects/$id.new/name", $name);
    spew("$state/objects/$id.new/argv", join '', map { "$_\0" } @words);
    rename "$state/objects/$id.new", "$state/objects/$id" or die "rename: $!";
    return $id;
}

sub exists_now { return $_[0] ne '' && -d "$state/objects/$_[0]" }

sub argv_of {
    my ($id) = @_;
    return exists_now($id) ? split(/\0/, slurp("$state/objects/$id/argv")) : ();
}

sub targets { return grep { !/^-/ } @words }

sub listed {
    my ($type) = @_;
    my ($label) = map { /^label=(.*)$/ ? $1 : () } @words;
    return '' unless defined $label;
    my @ids = map { basename($_) } grep { !/\.new$/ } glob("$state/objects/*");
    return join '', map { option('--format') =~ /json/ ? qq("$_"\n) : "$_\n" }
        grep { my $id = $_; slurp("$state/objects/$id/kind") eq $type && grep { /^\Q$label\E(=|$)/ } argv_of($id) } @ids;
}

sub remove_all {
    my ($type) = @_;
    my $code = 0;
    for my $id (targets()) {
        if (exists_now($id)) { remove($id); $out .= "$id\n" }
        else { $code = refuse(1, "Error: No such $type: $id") }
    }
    return $code;
}

sub remove {
    my ($id) = @_;
    my $type = slurp("$state/objects/$id/kind");
    rmdir "$state/names/$type-" . slurp("$state/objects/$id/name");
    rename "$state/objects/$id", "$state/removed/$id";
}

sub inspection {
    my ($id) = @_;
    my $object = "$state/objects/$id";
    local @words = argv_of($id);
    my %asked;
    for my $index (0 .. $#words - 1) { push @{ $asked{ $words[$index] } }, $words[ $index + 1 ] if $words[$index] =~ /^--/ }
    if (slurp("$object/kind") eq 'network') {
        my %options = map { split /=/, $_, 2 } @{ $asked{'--opt'} // [] };
        my $internal = grep { $_ eq '--internal' } @words;
        return {
            Id => $id, Internal => \($internal ? 'true' : 'false'), EnableIPv6 => \'false', Options => \%options,
            IPAM => { Config => [{ Subnet => option('--subnet') }] },
        };
    }
    my %networks = map { basename($_) =~ /^network-(.*)$/; $1 => { NetworkID => $1, IPAddress => slurp($_) } }
        glob("$object/network-*");
    my %tmpfs = map { split /:/, $_, 2 } @{ $asked{'--tmpfs'} // [] };
    my %log = map { split /=/, $_, 2 } @{ $asked{'--log-opt'} // [] };
    my @ulimits = map { /^(.*)=(.*):(.*)$/ ? { Name => $1, Soft => \"$2", Hard => \"$3" } : () } @{ $asked{'--ulimit'} // [] };
    my $readonly = grep { $_ eq '--read-only' } @words;
    my @mounts = map {
        my ($volume) = /src=([^,]+)/;
        /dst=([^,]+)/ ? { Type => 'volume', Name => $volume // '0123', Destination => $1 } : ();
    } @{ $asked{'--mount'} // [] };
    my ($image) = grep { /^sha256:/ } @words;
    my %labels = map { split /=/, $_, 2 } @{ $asked{'--label'} // [] };
    return {
        Id => $id, Name => '/' . slurp("$object/name"), Image => $image // '',
        State => { Running => \(-e "$object/running" ? 'true' : 'false'), ExitCode => \'0' },
        Config => {
            Env => $asked{'--env'} // [], User => option('--user'), WorkingDir => option('--workdir'),
            Labels => \%labels, Cmd => [grep { m{^/config/} } @words],
        },
        HostConfig => {
            CapDrop => $asked{'--cap-drop'} // [], SecurityOpt => $asked{'--security-opt'} // [],
            Privileged => \'false', IpcMode => option('--ipc'), Runtime => option('--runtime') || 'runc',
            Memory => \option('--memory'), MemorySwap => \option('--memory-swap'),
            PidsLimit => \option('--pids-limit'), ReadonlyRootfs => \($readonly ? 'true' : 'false'),
            Dns => $asked{'--dns'} // [], DnsOptions => $asked{'--dns-opt'} // [],
            Binds => $asked{'--volume'} // [], ExtraHosts => $asked{'--add-host'} // [], Init => \((grep { $_ eq '--init' } @words) ? 'true' : 'false'),
            CpuShares => \option('--cpu-shares'), Tmpfs => \%tmpfs, RestartPolicy => { Name => option('--restart') },
            Ulimits => \@ulimits, NanoCpus => \sprintf('%d', 1e9 * (option('--cpus') || 0)),
            LogConfig => { Type => option('--log-driver'), Config => \%log },
        },
        Mounts => \@mounts, NetworkSettings => { Networks => \%networks },
    };
}

# ---------------------------------------------------------------- small things

# 64 hex digits that a text always gives.
sub id_of {
    my ($text) = @_;
    my $id = '';
    for my $round (1 .. 8) {
        my $hash = 2166136261;
        $hash = (($hash ^ ord) * 16777619) & 0xffffffff for split //, "$round $text";
        $id .= sprintf '%08x', $hash;
    }
    return $id;
}

# References to scalars are written as they are: numbers and booleans.
sub json {
    my ($value) = @_;
    return $$value if ref $value eq 'SCALAR';
    return '[' . join(',', map { json($_) } @$value) . ']' if ref $value eq 'ARRAY';
    return '{' . join(',', map { json($_) . ':' . json($value->{$_}) } sort keys %$value) . '}' if ref $value eq 'HASH';
    $value =~ s/(["\\])/\\$1/g;
    $value =~ s/\n/\\n/g;
    return qq("$value");
}

sub next_call {
    for my $number (1 .. 9999) {
        my $name = sprintf '%04d', $number;
        return ($name, "$state/calls/$name") if mkdir "$state/calls/$name";
    }
    die 'too many calls';
}

sub event {
    sysopen(my $file, "$state/events", O_WRONLY | O_APPEND | O_CREAT) or die "events: $!";
    syswrite $file, "$_[0]\n";
}

sub wait_for {
    my ($path) = @_;
    for (1 .. 2000) { return if -e $path; select undef, undef, undef, 0.01 }
}

sub slurp {
    my ($path) = @_;
    open(my $file, '<:raw', $path) or return '';
    local $/;
    return <$file> // '';
}

sub spew {
    my ($path, $text) = @_;
    open(my $file, '>:raw', $path) or die "$path: $!";
    print {$file} $text;
    close $file;
}
