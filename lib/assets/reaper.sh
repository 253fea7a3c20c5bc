# Removes what one run made, once whoever holds our stdin is gone. Arguments: the run's id, how many seconds that may
# take, then the words that the docker CLI is told before every subcommand. On stdin, a line each:
#   keep  the agent may have run: a workspace stays
#   done  there is nothing to remove
# Says `ready` before anything of the run exists. It leads a process group of its own.
trap '' HUP INT QUIT TERM
set -f
run=$1
seconds=$2
shift 2
filter=label=claude-bottle.run=$run
workspaces=label=claude-bottle.role=workspace
template='{{.Id}} {{json (index .Config.Labels "claude-bottle.role")}} {{json .HostConfig}}'
keep=

echo ready
exec >/dev/null 2>&1
while read -r word; do
    case $word in
    keep) keep=1 ;;
    done) exit 0 ;;
    esac
done

# An engine that is gone or hangs must not keep us: everything of this group ends then, calls under way too.
(
    sleep "$seconds"
    kill -9 0
) &

# The ids of those containers that a launch made: an image that was committed from one gives its labels to whatever is
# run from it, but neither the agent's marks nor the sidecar's. A line is `ID ROLE HOSTCONFIG`, both of them JSON: a role
# that anybody wrote makes no line of its own, and no quote within a text stands without a backslash.
made_by_launch() {
    while read -r id role config; do
        case $role,$config in
        '"agent",'*'"ExtraHosts":["sidecar:'* | '"agent",'*'"/run/env":"uid='*) echo "$id" ;;
        '"agent",'*) ;;
        *'"CapDrop":["'* | *'"NetworkMode":"'*-"$run"'"'*) echo "$id" ;;
        esac
    done
}

# One round. 0: there was nothing to remove, and the engine said so; 1: there was, and it is removed; 2: neither is certain.
round() {
    failed=
    listed=$(docker "$@" container ls --all --quiet --no-trunc --filter "$filter") || return 2
    networks=$(docker "$@" network ls --quiet --no-trunc --filter "$filter") || return 2
    volumes=$(docker "$@" volume ls --quiet --filter "$filter") || return 2
    containers=
    if [ -n "$listed" ]; then
        # What goes meanwhile fails the call, and the rest is told all the same; the next round knows for sure.
        told=$(docker "$@" container inspect --format "$template" $listed) || failed=1
        containers=$(printf '%s\n' "$told" | made_by_launch)
    fi
    if [ -n "$keep" ] && [ -n "$volumes" ]; then
        kept=$(docker "$@" volume ls --quiet --filter "$filter" --filter "$workspaces") || return 2
        others=
        for volume in $volumes; do
            case " $(echo $kept) " in
            *" $volume "*) ;;
            *) others="$others $volume" ;;
            esac
        done
        volumes=$others
    fi
    [ -z "$containers$networks$volumes$failed" ] && return 0
    # In this order: containers hold networks and volumes.
    if [ -n "$containers" ]; then docker "$@" container rm --force --volumes $containers || failed=1; fi
    if [ -n "$networks" ]; then docker "$@" network rm $networks || failed=1; fi
    if [ -n "$volumes" ]; then docker "$@" volume rm --force $volumes || failed=1; fi
    [ -z "$failed" ] || return 2
    return 1
}

# Twice, a second apart: a docker CLI that outlived its caller may still be creating.
empty=0
while [ "$empty" -lt 2 ]; do
    round "$@"
    case $? in
    0) empty=$((empty + 1)) ;;
    1)
        empty=0
        continue
        ;;
    2) empty=0 ;;
    esac
    [ "$empty" -ge 2 ] || sleep 1
done
# The deadline and its sleep too.
kill -9 0
