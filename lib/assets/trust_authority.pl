#!/usr/bin/perl
# Makes a bottle trust one more authority: that of its own sidecar, which signs for the inspected hosts alone. Runs as
# root without capabilities before the agent does, and changes nothing but root's own files.
#
# On stdin: the hash of its subject on a line, then its certificate. It comes to stand
#   in $EXTRA, beside a company's, for the wrapper's bundle and what reads that file alone;
#   in the system's bundle, where the image has one;
#   in the system's folder, where the image has one, under the name that OpenSSL looks it up by.
use strict;
use warnings;
use Fcntl;

my $EXTRA = '/usr/local/share/claude-bottle/ca.pem';
# Debian, Alpine and their kin; Fedora and its kin; openSUSE.
my @BUNDLES = qw(/etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem);
my $FOLDER = '/etc/ssl/certs';

sub fail {
    print STDERR "claude-bottle: the sidecar's authority cannot be trusted: @_\n";
    exit 1;
}

sub append {
    my ($path, $pem) = @_;
    # Fedora lets nobody write its bundle; its owner, who has no capability to do so all the same, may let himself.
    my $mode = (stat $path)[2];
    chmod $mode & 07777 | 0200, $path if defined $mode && !($mode & 0200);
    open(my $file, '>>', $path) or fail("cannot write $path: $!");
    print {$file} "\n$pem";
    close($file) or fail("cannot write $path: $!");
}

umask 0022;
local $/;
my ($hash, $pem) = (<STDIN> // '') =~
    m{\A([0-9a-f]{8})\n(-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n)\z}
    or fail('it is no certificate authority');

append($_, $pem) for $EXTRA, grep { -e } @BUNDLES;
if (-d $FOLDER) {
    # Names count up where hashes are the same.
    my $number = 0;
    my $file;
    until (sysopen($file, "$FOLDER/$hash.$number", O_WRONLY | O_CREAT | O_EXCL, 0644)) {
        $!{EEXIST} && ++$number < 100 or fail("cannot write $FOLDER/$hash.$number: $!");
    }
    print {$file} $pem;
    close($file) or fail("cannot write $FOLDER/$hash.$number: $!");
}
