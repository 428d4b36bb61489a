#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: moved.pl symbols|modules NUMBERS SETTLED NAMES GUEST TOOL [MODULE...]
#
# Compares what the tool said, in lines as those of /proc/kallsyms or /proc/modules, with what the guest said. Every line has to
# be the same, but for those of each MODULE that was loaded or unloaded since the tool began to look: NUMBERS holds
# "PATH/MODULE:NUMBER" from before that, GUEST from the end of the guest's own look, and the number is another, or no number, for
# one that was. Of these the tool may say nothing, or what such a module can be: the symbols that it has for good (in SETTLED,
# where the guest had said so), and, while it is being loaded, others of its file too (NAMES); a size that is no less. Says what
# differs, ends with 1 if anything does, and prints a summary.
use strict;
use warnings;

my ($kind, $numbers_file, $settled_file, $names_file, $guest_file, $tool_file, @moving) = @ARGV;
my $differences = 0;

sub differs {
    print "@_\n" if ++$differences <= 20;
}

sub lines_of {
    open(my $file, '<', $_[0]) or die "$_[0]: $!\n";
    chomp(my @lines = <$file>);
    return @lines;
}

# "PATH/MODULE:NUMBER"; no line of the other kinds is like that.
sub numbers { return map { m{^/\S*/(\w+):(\d+)$} ? ($1, $2) : () } lines_of($_[0]) }

# Which of @moving have moved.
sub moved {
    return unless @moving;
    my %before = numbers($numbers_file);
    my %after = numbers($guest_file);
    return map { $_ => 1 } grep { !defined $before{$_} || !defined $after{$_} || $before{$_} ne $after{$_} } @moving;
}

# What a line of one of these modules is like.
sub line_of_modules { my $names = join('|', @_); return $kind eq 'symbols' ? qr/\t\[(?:$names)\]$/ : qr/^(?:$names) / }

# Who uses a module is another matter.
sub line_of { my @words = split(/ /, $_[0]); return $kind eq 'symbols' ? $_[0] : "@words[0, 1, 4, 5]" }

sub name_of { return (split(/[ \t]/, $_[0]))[2] }

# How often each is there, in a list.
sub counts { my %n; $n{$_}++ for @_; return \%n }

# What CHILD has more often than PARENT.
sub excess { my ($child, $parent) = @_; return grep { $child->{$_} > ($parent->{$_} // 0) } sort keys %$child }

my %moved = moved();
my ($n_alike, $n_between) = (0, 0);

# ---- What has not moved
my $of_moved = line_of_modules('/', keys %moved);
my @all = lines_of($tool_file);
my @guest = grep { !m{^/} && !/$of_moved/ } lines_of($guest_file);
my @tool = grep { !/$of_moved/ } @all;
my ($said, $found) = (counts(map { line_of($_) } @guest), counts(map { line_of($_) } @tool));
differs("the guest has:  $_") for excess($said, $found);
differs("the tool has:   $_") for excess($found, $said);
differs("the guest said nothing") unless @guest;

# ---- What has
for my $module (sort keys %moved) {
    my @settled = grep { /\t\[$module\]$|^$module / } lines_of($settled_file);
    my $of_module = line_of_modules($module);
    my @lines = grep { /$of_module/ } @all;
    next unless @lines;
    $n_between++;
    if ($kind eq 'symbols') {
        my $names = counts(map { name_of($_) } @lines);
        my $for_good = counts(map { name_of($_) } grep { /\t\[/ } @settled);
        my $ever = counts(map { /^(.*) \[$module\]$/ ? $1 : () } lines_of($names_file));
        differs("$module, while it moves, lacks $_") for excess($for_good, $names);
        differs("$module, while it moves, has $_") for excess($names, $ever);
    } else {
        my ($size) = map { (split(/ /))[1] } grep { /^$module / } @settled;
        my (undef, $found, undef, undef, $state, $base) = split(/ /, $lines[0]);
        differs("$module is listed ", scalar @lines, " times") if @lines > 1;
        differs("$module, while it moves: $lines[0], and $size bytes for good")
            if $found < $size || $found > 4 * $size || $state !~ /^(Live|Loading|Unloading)$/ || $base !~ /^0xffffffff[0-9a-f]{8}$/;
    }
}
printf("%d %s the same; %d modules moved meanwhile, of which %d were seen; %d differences\n", scalar @guest, $kind, scalar keys %moved,
       $n_between, $differences);
exit($differences > 0);
