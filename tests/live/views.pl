#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: views.pl BEFORE AFTER TASKS STACKS
#
# Compares what `virt-livepatch tasks` and `stack` print with what the guest itself said (images/probes/views.c) before and
# after. A task whose line is the same in both, with as many switches and on the same stack, has not run meanwhile: all
# that the tool says of it has to be so too. Every task that is in both has to be in the tool's list. One that is in
# neither is right there only if its number was given out in between. Says what differs, ends with 1 if anything does, and
# prints a summary.
use strict;
use warnings;

my ($before_file, $after_file, $tasks_file, $stacks_file) = @ARGV;
my $differences = 0;

sub lines_of {
    open(my $file, '<', $_[0]) or die "$_[0]: $!\n";
    chomp(my @lines = <$file>);
    return @lines;
}

sub differs {
    print "@_\n";
    $differences++;
}

# pid => line, and the number given out last when the look began and when it ended.
sub view {
    my (%tasks, %last);
    for (lines_of($_[0])) {
        if (/^(first|last)\t(\d+)$/) { $last{$1} = $2 } elsif (/^(\d+)\t/) { $tasks{$1} = $_ } else { differs("$_[0]: $_") }
    }
    die "$_[0] is not whole\n" unless defined $last{first} && defined $last{last};
    return (\%tasks, $last{first}, $last{last});
}

sub tool_tasks {
    my %tasks;
    for (lines_of($tasks_file)) {
        if (/^ *(\d+) (\S) +\d+ (.*)$/) {
            differs("task $1 is listed twice") if $tasks{$1};
            $tasks{$1} = "$2\t$3";
        } elsif (!/^ +PID/) {
            differs("tasks: $_");
        }
    }
    return \%tasks;
}

# pid => frames, as the probe prints them. Tasks that are running, or have no stack any more, are left out.
sub tool_stacks {
    my (%stacks, $pid);
    for (lines_of($stacks_file)) {
        if (/^task (\d+) \(/) {
            $pid = $1;
        } elsif (/^vCPU/) {
            undef $pid;
        } elsif (defined $pid) {
            $stacks{$pid} .= "$_|";
        }
    }
    return \%stacks;
}

my ($before, $last_before) = view($before_file);
my ($after, undef, $last_after) = view($after_file);
my ($tasks, $stacks) = (tool_tasks(), tool_stacks());
my ($settled, $changed, $born, $deep) = (0, 0, 0, 0);

# Numbers begin again at their end.
sub is_new {
    my $pid = shift;
    return $last_after >= $last_before ? $pid > $last_before && $pid <= $last_after
                                       : $pid > $last_before || $pid <= $last_after;
}

for my $pid (sort { $a <=> $b } keys %$before) {
    next unless defined $after->{$pid};
    if (!defined $tasks->{$pid}) {
        differs("task $pid is not listed: $before->{$pid}") unless is_new($pid);
        next;
    }
    if ($before->{$pid} ne $after->{$pid}) {
        $changed++;
        next;
    }
    $settled++;
    my (undef, undef, $state, $name, $stack) = split(/\t/, $before->{$pid}, 5);
    differs("task $pid is $state $name, not $tasks->{$pid}") if $tasks->{$pid} ne "$state\t$name";
    next if $state eq 'R' && $stack eq '';
    $deep++ if $stack ne '';
    my $found = $stacks->{$pid} // '';
    differs("task $pid ($name)\n  has:  $stack\n  tool: $found") if $found ne $stack;
}
for my $pid (sort { $a <=> $b } keys %$tasks) {
    next if defined $before->{$pid} && defined $after->{$pid};
    differs("task $pid, $tasks->{$pid}, is not there") unless defined $before->{$pid} || is_new($pid);
    $born++ unless defined $before->{$pid};
}
print "$settled settled, $deep of them with a stack; $changed ran or changed, $born are new; $differences differences\n";
exit($differences > 0 || $deep < 20);
