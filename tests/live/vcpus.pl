#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: vcpus.pl STACKS DMESG SYMBOLS
#
# Compares what `virt-livepatch -o json stack` said of a paused guest's vCPUs with what the guest's kernel itself said of the
# same moment: it got an NMI before anything else when it went on, and wrote each CPU's backtrace into its log. What the
# kernel is certain of has to be the same and as certain here; and what it unwound to its end has to end here, too. Where it
# could not go on, the tool may, or say that it is not certain any more. Where a kretprobe has replaced a return address, the
# kernel shows the trampoline's, for which the tool has the true one. Says what differs, ends with 1 if anything does, and
# prints for each vCPU what it was at.
use strict;
use warnings;
use JSON::PP;

my ($stacks_file, $dmesg_file, $symbols_file) = @ARGV;
my $differences = 0;

sub text_of {
    open(my $file, '<', $_[0]) or die "$_[0]: $!\n";
    local $/;
    return scalar <$file>;
}

# CPU => the places that the kernel is certain of, innermost first; none for one in user mode. Behind the last there is user
# mode, or the beginning of a kernel thread, if the kernel has unwound to the end.
sub backtraces {
    my (%places, %ended, $cpu, $is_over);
    for (split(/\n/, text_of($dmesg_file))) {
        s/^\[[^\]]*\] ?//;
        if (/^NMI backtrace for cpu (\d+)$/) {
            ($cpu, $is_over) = ($1, 0);
            $places{$cpu} = [];
        } elsif (!defined $cpu || $is_over) {
            next;
        } elsif (/^ *RIP: 0010:(\S.*)$/ || /^ +((?:\S+\+0x|0x)[0-9a-f]\S*(?: \[\S+\])?)$/) {
            push(@{$places{$cpu}}, $1);
        } elsif (/^ *RIP: 0033:/) {
            $is_over = $ended{$cpu} = 1;
        }
        $ended{$cpu} = 1 if defined $cpu && ($places{$cpu}[-1] // '') =~ /^(ret_from_fork(_asm)?|secondary_startup_64\w*)\+/;
    }
    return (\%places, \%ended);
}

# How the kernel names the address of a trampoline that it takes for a return address: the end of the function before it.
sub trampolines {
    my (%names, %places);
    for (split(/\n/, text_of($symbols_file))) {
        push(@{$names{hex($1)}}, $2) if /^(\w+) [TtWw] (\S+)$/;
    }
    my @addresses = sort { $a <=> $b } keys %names;
    for my $i (1 .. $#addresses) {
        next unless grep { /^(arch_rethook_trampoline|(__)?kretprobe_trampoline)$/ } @{$names{$addresses[$i]}};
        my $size = sprintf('0x%x', $addresses[$i] - $addresses[$i - 1]);
        $places{"$_+$size/$size"} = 1 for @{$names{$addresses[$i - 1]}};
    }
    return \%places;
}

my $trampolines = trampolines();

# The kernel has no name for some of what it generates.
sub is_same {
    my ($frame, $place) = @_;
    return 1 if $trampolines->{$place};
    return $place =~ /^0x/ ? hex($place) == hex($frame->{address}) : $place eq $frame->{where};
}

sub kinds_of {
    my @kinds = map { $_->{where} =~ /^asm_exc_/ ? 'exception' : $_->{where} =~ /^asm_|^common_interrupt/ ? 'interrupt'
        : $_->{where} =~ /^__do_softirq|^handle_softirqs/ ? 'softirq' : $_->{where} =~ /^bpf_/ ? 'BPF'
        : $_->{where} =~ /^ftrace_trampoline/ ? 'tracer' : $_->{where} =~ /idle/ ? 'idle'
        : $_->{where} =~ /\[/ ? 'module' : () } @_;
    my %seen = map { $_ => 1 } @kinds;
    return @_ ? join('+', 'kernel', sort keys %seen) : 'user';
}

my ($kernel, $ended) = backtraces();
for my $stack (grep { defined $_->{vcpu} } @{decode_json(text_of($stacks_file))}) {
    my $places = $kernel->{$stack->{vcpu}};
    my @frames = grep { $_->{certain} } @{$stack->{frames}};
    my $n = grep { $_ < @frames && is_same($frames[$_], $places->[$_]) } 0 .. $#{$places // []};
    my $went_on = @frames > @{$places // []};
    if (!defined $places || $n < @$places || ($ended->{$stack->{vcpu}} ? $went_on || !$stack->{complete} : @$places == 0)) {
        $differences++;
        print "vCPU $stack->{vcpu}:\n  has:  ", join(' | ', @{$places // ['nothing']}), "\n  tool: ",
            join(' | ', map { ($_->{certain} ? '' : '? ') . $_->{where} } @{$stack->{frames}}),
            $stack->{complete} ? "\n" : " (not to its end)\n";
    }
    print 'was at: ', kinds_of(@frames), $went_on ? ', further than the kernel' : '',
        $stack->{complete} ? '' : ', not to its end', "\n";
}
exit($differences > 0);
