# Squid's external ACL: OK when the name in the TLS ClientHello is the host of the CONNECT it came through.
# A line is "channel sni host", and "-" for arguments that we have none of. Squid URL-quotes both names, so what
# the bottle wrote cannot make a line or a field; a missing name is "-". Every channel gets its answer: one
# without would be lost.
$| = 1;
while (<STDIN>) {
    my ($channel) = /\A(\d+) / or next;
    my ($sni, $host) = /\A\d+ (\S+) (\S+)(?: -)?\n\z/;
    my $same = defined $host && $sni ne '-' && lc $sni =~ s/\.\z//r eq lc $host =~ s/\.\z//r;
    print "$channel ", $same ? 'OK' : 'ERR', "\n";
}
