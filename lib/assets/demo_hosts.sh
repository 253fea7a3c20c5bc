# The hosts of the tour, in one container without privileges: an ssh server on 22, then a scripted Messages API on
# the ports of SCRIPTED_PORTS, which says when it is ready and ends with its stdin. All keys are made here and go with it.
set -eu
umask 077
mkdir /tmp/demo
cd /tmp/demo
ssh-keygen -q -t ed25519 -N '' -C demo -f host_key
ssh-keygen -q -t ed25519 -N '' -C demo -f client_key
cp client_key.pub authorized_keys
cat >sshd_config <<'CONFIG'
Port 22
HostKey /tmp/demo/host_key
AuthorizedKeysFile /tmp/demo/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
CONFIG
# Each connection is a process of its own in /, which opens both files again.
/usr/sbin/sshd -f /tmp/demo/sshd_config -E /tmp/demo/sshd.log
exec node /opt/demo/scripted_api.mjs
