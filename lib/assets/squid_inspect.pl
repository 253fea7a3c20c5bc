# Squid's external ACL for inspected hosts: judges one request inside an opened tunnel, and says which secret goes with it.
# Arguments of a line, each URL-quoted by squid once, so that what the bottle wrote cannot make a line or a field:
#   CHANNEL METHOD SCHEME SNI HOST PORT PATH HOSTHEADER, then the headers of /config/inspection in its order; "-": absent.
# Every answer is OK with notes. `why_`: the cause of a refusal, a key of `refusals.ts`, or `none`; `asked_`: the request as
# the log has it, of its query only git's service; `in_N_`: the value that the header number N leaves with; `message`: what a page says
# as %o, the request for `rule`, how the placeholder is to be carried for the rest; `held_`: the variables, joined by commas,
# whose placeholders the request carries though they belong to other hosts. No line is left unanswered.
# With the argument `watch` it is asked of plain HTTP, judges nothing and says `held_` alone.
# /config/inspection, a word and its arguments a line: `header NAME`, `query NAME` of credentials; `override NAME`, a
# parameter that asks for something else; `subprotocol NAME`, a header that can hold a key; `host NAME`, and what belongs
# to it: `rule METHOD PATH`, `secret ENV bearer|basic|header NUMBER [USER]`.
# /run/inspection/secrets, `ENV TAB PLACEHOLDER TAB SECRET` a line, is read for each request, so that a new one counts at once.
use strict;
use warnings;
use MIME::Base64 qw(decode_base64 encode_base64);

my (@headers, @names, @kinds, %credential_query, %override_query, %hosts);
my ($rules_file, $secrets_file) = ('/config/inspection', '/run/inspection/secrets');
my $only_watches = @ARGV && $ARGV[0] eq 'watch';
# The most characters of `held_`: a longer line of the log would not be read.
my $held_most = 512;

my $byte = qr/%[0-9A-Fa-f]{2}/;
# What RFC 3986 lets stand in a path and in a query, and the few others that clients send as they are in a query.
my $path_form = qr{\A/(?:[A-Za-z0-9\-._~!\$&'()*+,;=:\@/]|$byte)*\z};
my $query_form = qr{\A(?:[A-Za-z0-9\-._~!\$&'()*+,;=:\@/?\[\]|{}^"<>`]|$byte)*\z};
my $encoded_slash = qr/%2f/i;
# What stands in the name of a subprotocol only where a credential does.
my $key_like = qr/key|token|bearer|auth|secret|passw|sk-|[A-Za-z0-9_\-]{32}/i;
# What becomes a dot, a slash, a backslash, `%` or `;` where a server brings letters into their plain form.
my $becomes_sign = qr/[\x{2024}-\x{2026}\x{fe19}\x{fe30}\x{fe52}\x{fe54}\x{fe68}\x{fe6a}\x{ff05}\x{ff0e}\x{ff0f}\x{ff1b}\x{ff3c}]/;

# A `*` stands for no slash, written or encoded; at the end for both, but an encoded one only where the rule writes it.
sub expression {
    my ($text, $within) = @_;
    my @parts = split /(\*|%2[Ff])/, $text;
    my $last = @parts && $parts[-1] eq '*' ? pop @parts : undef;
    my $expression = join '', map { $_ eq '*' ? "(?:(?!%2[Ff])$within)+" : /\A$encoded_slash\z/ ? '%2[Ff]' : quotemeta } @parts;
    $expression .= '(?:(?!%2[Ff]).)*' if defined $last;
    return qr/\A$expression\z/s;
}

sub read_rules {
    open my $file, '<', $rules_file or die "cannot read $rules_file: $!\n";
    my $host;
    while (<$file>) {
        chomp;
        my ($word, @values) = split / /;
        if ($word eq 'header' || $word eq 'subprotocol') {
            push @headers, lc $values[0];
            push @names, $values[0];
            push @kinds, $word;
        }
        elsif ($word eq 'override') { $override_query{ plain($values[0]) } = 1 }
        elsif ($word eq 'query') { $credential_query{ joined(plain($values[0])) } = 1 }
        elsif ($word eq 'host') { $host = $hosts{ $values[0] } = {} }
        elsif ($word eq 'secret') { @{ $host->{secret} }{qw(env kind header user)} = @values }
        elsif ($word eq 'rule') {
            my ($path, $query) = split /\?/, $values[1], 2;
            push @{ $host->{rules} },
                { method => $values[0], path => expression($path, '[^/]'), query => defined $query ? expression($query, '[^/&]') : undef };
        }
        else { die "$rules_file: what is $word?\n" }
    }
}

# The most specific entry that stands for a name: squid has opened the tunnel by the same order.
sub entry {
    my ($name) = @_;
    return $hosts{$name} if $hosts{$name};
    for (my $rest = $name; length $rest; $rest =~ s/\A[^.]*\.?//) { return $hosts{"*.$rest"} if $hosts{"*.$rest"} }
    return;
}

# As `entry`, of what TLS names.
sub named_entry { my ($name) = @_; return entry(lc(($name // '') =~ s/\.\z//r)) }

# Placeholder and secret by variable, as they are now.
sub secrets {
    open my $file, '<', $secrets_file or return {};
    my %found;
    while (<$file>) { chomp; my ($env, @pair) = split /\t/, $_, 3; $found{$env} = \@pair if @pair == 2 }
    return \%found;
}

sub unquoted { my ($text) = @_; $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge; return $text }

# A parameter's name as careless servers read it; Google's read `$key` as `key`.
sub plain { my ($name) = @_; $name = lc $name; $name =~ tr/+\-. /_/; $name =~ tr/\x00-\x1f\x7f//d; $name =~ s/\A\$//; return $name }

# `accessToken` is the same word as `access_token`.
sub joined { my ($name) = @_; $name =~ tr/_//d; return $name }

# The names of a query's parameters: of `a[b]` both are one.
sub parameters {
    my ($query) = @_;
    my @names = map { unquoted((split /=/)[0] // '') } split /[&;]/, $query // '';
    return map { plain($_) } @names, map { split /[\[\]]+/ } @names;
}

sub base64 { return encode_base64($_[0], '') }

# Whether a path can mean to the server another one than it says here.
sub ambiguous {
    my ($path) = @_;
    return 1 if $path !~ $path_form || $path =~ m{//} || $path =~ /%(?:[01][0-9A-F]|7F|2E|25|5C|3B)/i;
    my $bytes = unquoted($path);
    return 1 if !utf8::decode($bytes);
    return 1 if $bytes =~ $becomes_sign;
    return grep { /\A\.+(?:[;+?#\s]|\z)/ } split m{/}, $bytes;
}

sub matches {
    my ($rules, $method, $path, $query) = @_;
    for my $rule (@$rules) {
        next if $method ne $rule->{method} || $path !~ $rule->{path};
        return 1 if !defined $rule->{query} || (defined $query && $query =~ $rule->{query});
    }
    return 0;
}

# The cause of a refusal, or what is to be injected: number of the header and its value.
sub credentials {
    my ($known, $secret, $query, $url, $given) = @_;
    my ($placeholder, $value) = @{ $known->{ $secret->{env} } // [] };
    return 'no_secret' if !defined $placeholder;
    my $wanted = $secret->{header};
    for my $number (0 .. $#headers) {
        next if $number == $wanted || !defined $given->[$number];
        return 'other_credential' if $kinds[$number] eq 'header';
        return 'other_credential' if $kinds[$number] eq 'subprotocol' && $given->[$number] =~ $key_like;
    }
    return 'query_credential' if grep { $credential_query{ joined($_) } } parameters($query);
    return 'query_credential' if grep { index(unquoted($url), $_->[0]) >= 0 } values %$known;
    my $header = $given->[$wanted];
    my $kind = $secret->{kind};
    # git and cargo show what they have only where they are asked for it.
    my $is_asked_for = $kind eq 'basic' || $kind eq 'header' && $headers[$wanted] eq 'authorization';
    return $is_asked_for ? 'login' : 'no_placeholder' if !defined $header;
    my $pair = $kind eq 'basic' ? $secret->{user} . ':' : '';
    my $is_right = $kind eq 'bearer' ? $header =~ /\A(?:bearer|token) \Q$placeholder\E\z/i && $header =~ /\Q$placeholder\E\z/
        : $kind eq 'basic' ? $header =~ /\Abasic /i && substr($header, 6) eq base64($pair . $placeholder)
        :                    $header eq $placeholder;
    return 'foreign_credential' if !$is_right;
    my $leaves = $kind eq 'bearer' ? "Bearer $value" : $kind eq 'basic' ? 'Basic ' . base64($pair . $value) : $value;
    return (undef, $wanted, $leaves);
}

# As `credentials`, of the whole request.
sub verdict {
    my ($known, $method, $scheme, $sni, $host, $port, $url, $named, @given) = @_;
    return 'malformed' if !defined $named || @given != @headers;
    ($sni, $host) = map { lc(($_ // '') =~ s/\.\z//r) } $sni, $host;
    my $tunnel = length $host && $sni eq $host && ($scheme // '') eq 'https' && ($port // '') eq '443';
    return 'other_target' if !$tunnel || lc($named) !~ /\A\Q$host\E\.?(?::443)?\z/;
    my $entry = entry($host) or return 'other_target';
    return 'method' if !defined $method || $method !~ /\A[A-Z][A-Z0-9_-]{0,31}\z/ || $method =~ /\A(?:CONNECT|TRACE|TRACK|PURGE|PRI)\z/;
    return 'malformed' if !defined $url || $url =~ /[^\x21-\x7e]/ || $url =~ /#/;
    my ($path, $query) = split /\?/, $url, 2;
    return 'override' if grep { $override_query{$_} } parameters($query);
    if ($entry->{rules}) {
        return 'path' if ambiguous($path) || defined $query && $query !~ $query_form;
        if (!matches($entry->{rules}, $method, $path, $query)) { return $path =~ $encoded_slash ? 'path' : 'rule' }
    }
    return $entry->{secret} ? credentials($known, $entry->{secret}, $query, $url, \@given) : undef;
}

# The variables of other hosts' placeholders in a request's URL and headers: as they are, percent-encoded, or within `Basic`.
sub held {
    my ($known, $sni, @texts) = @_;
    my $own = ((named_entry($sni) // {})->{secret} // {})->{env} // '';
    my $all = join "\n", map { ($_, unquoted($_), map { decode_base64($_) } /\bbasic +([A-Za-z0-9+\/_=-]+)/gi) } grep { defined } @texts;
    my $names = '';
    for my $env (sort keys %$known) {
        next if $env eq $own || index($all, $known->{$env}[0]) < 0;
        my $longer = length $names ? "$names,$env" : $env;
        $names = $longer if length $longer <= $held_most;
    }
    return length $names ? " held_=$names" : '';
}

# The request as people are told it. Of queries, which may hold anything, only the one that tells a push from a fetch.
sub asked {
    my ($method, $url) = @_;
    my ($path, $query) = split /\?/, $url // '-', 2;
    my $text = substr(($method // '-') . ' ' . ($path // '-'), 0, 200);
    return ($query // '') =~ /\Aservice=git-(?:upload|receive)-pack\z/ ? "$text?$query" : $text;
}

# For the log: one word of printable ASCII.
sub word {
    my ($text) = @_;
    $text =~ s{([^A-Za-z0-9\-._~/])}{sprintf '%%%02X', ord $1}ge;
    return $text;
}

# How a request shows the placeholder, as a shell would write it.
sub wanted {
    my ($name) = @_;
    my $secret = (named_entry($name) // {})->{secret} or return 'none';
    my ($env, $kind, $number, $user) = @{$secret}{qw(env kind header user)};
    return "user $user with password \$$env" if $kind eq 'basic';
    return $kind eq 'bearer' ? "Authorization: Bearer \$$env" : "$names[$number]: \$$env";
}

sub quoted { my ($text) = @_; $text =~ s/([\\"])/\\$1/g; return "\"$text\"" }

read_rules();
$| = 1;
while (my $line = <STDIN>) {
    my ($channel, @fields) = split /[ \n]/, $line;
    next if ($channel // '') !~ /\A\d+\z/;
    # What squid adds when an acl has no arguments of its own.
    pop @fields if @fields == 8 + @headers;
    my @values = map { $_ eq '-' ? undef : unquoted($_) } @fields;
    my $known = secrets();
    my $held = held($known, @values[2, 5 .. $#values]);
    if ($only_watches) { print "$channel OK$held\n"; next }
    my ($why, $number, $leaves) = verdict($known, @values);
    my $asked = asked(@values[0, 5]);
    my $notes = 'why_=' . ($why // 'none') . ' asked_=' . quoted(word($asked));
    $notes .= ' message=' . quoted($why eq 'rule' ? $asked : wanted($values[2])) if defined $why;
    $notes .= " in_${number}_=" . quoted($leaves) if defined $leaves;
    print "$channel OK $notes$held\n";
}
