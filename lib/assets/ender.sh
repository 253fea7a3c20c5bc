# Ends one command in a bottle that stays, once whoever holds our stdin is gone without a word. Arguments: how many
# seconds that may take, then the words that the docker CLI is told. On stdin, a line:
#   done  the command has ended
# Says `ready` before the command begins. It leads a process group of its own.
trap '' HUP INT QUIT TERM
seconds=$1
shift

echo ready
exec >/dev/null 2>&1
while read -r word; do
    case $word in
    done) exit 0 ;;
    esac
done

# An engine that is gone or hangs must not keep us.
(
    sleep "$seconds"
    kill -9 0
) &

# 3: it had not begun, and never will.
while :; do
    docker "$@"
    case $? in
    0 | 3) break ;;
    esac
    sleep 1
done
# The deadline and its sleep too.
kill -9 0
