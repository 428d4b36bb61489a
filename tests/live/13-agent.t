#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the guest says of itself through its agent, beside what is seen of it; and agents that lie or misbehave.
. "$(dirname "$0")/lib.sh"

# serve NAME COMMAND: a stand-in for an agent, at $work/NAME, whose command talks with whoever connects.
serve() {
    socat "UNIX-LISTEN:$work/$1,fork" "EXEC:$2" 2> /dev/null &
    guests+=("kill $!")
    listens "$work/$1"
}

# With one CPU, on which its kernel does without lock prefixes.
guest_start -s 1
in_guest 'virt-livepatch-agent > /run/agent.log 2>&1 & sleeper pipe > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
vlp_exits 0 "inspect with the agent" inspect --with-agent "$qmp"
like "$out" 'agent: +says the same of [0-9]{3,} things$' "both views agree"
diag "$(grep -A 20 '^agent:' "$work/out")"
like "$out" 'tracers, no lock prefixes' "there are no lock prefixes any more"
vlp_exits 0 "with the socket given" -o json inspect --with-agent="$guest/agent.sock" "$qmp"
like "$out" '"agent":\{"compared":[0-9]{3,},"differences":\[\]\}' "they agree in JSON"

coproc socat - "UNIX-CONNECT:$guest/agent.sock"
printf '%0200d\n\n99 kernel; reboot\nkernel\n7 run /bin/true\n8 log 0\n' 0 >&"${COPROC[1]}"
timeout 60 head -n 6 <&"${COPROC[0]}" > "$work/answers"
kill "$COPROC_PID"
is "$(grep -c '"error":' "$work/answers")" 5 "requests that are too long, empty, or none, are refused"
like "$(tail -n 1 "$work/answers")" '"request":8.*"text":"Linux version' "and the log is told afterwards"
vlp_exits 0 "the agent goes on" inspect --with-agent "$qmp"

cat > "$work/liar" << 'END'
#!/usr/bin/perl
$| = 1;
while (<STDIN>) {
    my ($n, $word) = split;
    my %say = (kernel => '"release":"9.9-made-up\u001b[2J","version":"x"', kallsyms => '"symbols":1,"sha256":"0"',
               modules => '"modules":[{"name":"rootkit","size":1,"base":"0x1"}]',
               livepatch => '"patches":[{"name":"cure","transition":"1"}]',
               tasks => '"tasks":[{"pid":1,"name":"innocent"},{"pid":66666,"name":"ghost"}]', stacks => '"stacks":[]');
    print "{\"protocol\":1,\"request\":$n,$say{$word}}\n";
}
END
chmod +x "$work/liar"
serve liar.sock "$work/liar"
vlp_exits 0 "inspect with an agent that lies" inspect --with-agent="$work/liar.sock" "$qmp"
like "$out" 'guest: 9\.9-made-up\?\[2J' "its release is shown as a difference, without its control characters"
like "$out" 'module rootkit.*guest: 1 bytes at 0x1.*host:  \(nothing\)' "so is a module that there is not"
like "$out" 'livepatch cure.*guest: there.*host:  \(nothing\).*livepatch in transition.*guest: yes.*host:  no' "and a livepatch"
like "$out" 'task 1.*guest: innocent.*host:  init' "and a task's name"
like "$out" 'task 2.*guest: \(nothing\).*host:  kthreadd' "and a task that it hides"

serve endless.sock "yes"
vlp_exits 1 "an agent that answers nothing in particular without end" inspect --with-agent="$work/endless.sock" "$qmp"
serve long.sock "cat /dev/zero"
vlp_exits 1 "an agent with an answer that never ends" inspect --with-agent="$work/long.sock" "$qmp"
vlp_exits 1 "an agent that is not there" inspect --with-agent="$work/none.sock" "$qmp"
ok "the guest is well" guest_is_well
done_testing
