# SPDX-License-Identifier: GPL-2.0-or-later
#
# For gdb, as gdb-stacks.py: executes the kernel's entry code instruction by instruction, keeps book of what is called and
# returns, and compares at each what `virt-livepatch -o json stack` makes of the stack. That a register was pushed, a stack
# changed or user mode's GS left in place must not make it miss anybody. Prints TAP, and ends it.
#
# Entry code's own frames are left out: a kernel's unwind data skip some of them, and they are never replaced.
#
# Environment: that of gdb-guest.py; STEPS, how many instructions each time.
STEPS = int(os.environ['STEPS'])
CALLS, RETURNS = ('call', 'callq'), ('ret', 'retq')


def without_entry(pcs):
    return [pc for pc in pcs if not is_entry(pc)]


class Book:
    """Who called whom since a place was reached, on the vCPU that did; whoever was there before is who the tool says."""

    def __init__(self):
        self.thread = gdb.selected_thread()
        self.calls, self.said, self.n_compared, self.n_whole = [], [], 0, 0
        self.below = [int(frame['address'], 0) for frame in self.stack()['frames'] if frame['certain']][1:]

    def stack(self):
        return tool()[self.thread.num - 1]

    def registers(self):
        self.thread.switch()
        frame = gdb.newest_frame()
        return register(frame, 'rip'), register(frame, 'rsp')

    def compare(self, pc):
        stack = self.stack()
        expected = without_entry([pc] + [to for _, to in reversed(self.calls)] + self.below)
        found = without_entry([int(frame['address'], 0) for frame in stack['frames']])
        certain = without_entry([int(frame['address'], 0) for frame in stack['frames'] if frame['certain']])
        is_whole = stack['complete']
        if (certain != expected) if is_whole else (certain != expected[:len(certain)] or not set(expected) <= set(found)):
            self.said.append('at %s\n  called: %s\n  tool:   %s%s' % (
                gdb.execute('info symbol %#x' % pc, to_string=True).strip(), ' | '.join(map(symbol, expected)),
                ' | '.join(('' if f['certain'] else '? ') + f['where'] for f in stack['frames']), '' if is_whole else ' ...'))
        self.n_compared += 1
        self.n_whole += is_whole

    def step(self, pc, sp):
        """FALSE where the book ends: in user mode, on another task's stack, at a fault, or where a caller from before is returned to."""
        text = instruction(pc)
        name = text.split()[0]
        gdb.execute('stepi', to_string=True)
        pc_now, sp_now = self.registers()
        if symbol(pc_now).startswith('asm_exc') and is_start(pc_now):
            return False
        if name in CALLS:
            self.calls.append((sp_now, word(sp_now)))
        elif name in RETURNS:
            # error_entry() moves its return address, also to another stack.
            if not self.calls or (self.calls[-1][0] != sp and self.calls[-1][1] != pc_now):
                return False
            self.calls.pop()
        elif symbol(pc).startswith(THUNK) and name == 'mov':
            self.calls[-1] = (sp, word(sp))
        elif self.calls and self.calls[-1][0] == sp and sp_now == sp + 8 and name == 'lea':
            self.calls.pop()
        return not name.startswith(('iret', 'sysret')) and symbol(pc_now) and not self.has_switched(pc, sp, sp_now)

    def has_switched(self, pc, sp, sp_now):
        return symbol(pc) == '__switch_to_asm' and abs(sp_now - sp) > 8

    def run(self):
        for _ in range(STEPS):
            pc, sp = self.registers()
            if int(gdb.newest_frame().read_register('cs')) & 3:
                break
            if not (symbol(pc).startswith(THUNK) and instruction(pc).startswith('mov')):
                self.compare(pc)
            if not self.step(pc, sp):
                break
        return self


def step_from(name, place, before=None, is_known=True):
    """IS_KNOWN: the tool has to be certain somewhere, too."""
    if before:
        before()
    run_to(place)
    book = Book().run()
    result(not book.said and (book.n_whole > 0 or not is_known), '%s: %d instructions, %d whole stacks' % (name, book.n_compared, book.n_whole),
           '\n'.join(book.said[:10]))


step_from('into a system call', '&entry_SYSCALL_64')
step_from('out of it', '&syscall_exit_to_user_mode')
step_from('into an interrupt', '&asm_sysvec_apic_timer_interrupt')
step_from('out of it', '&irqentry_exit')
step_from('into an exception', '&asm_exc_page_fault')
step_from('into an NMI', '&asm_exc_nmi', nmi_in_system_call)
step_from('out of a task', '&__switch_to_asm', is_known=False)
step_from('into a new one', '&' + ends()[0])
print('1..%d' % n_results)
gdb.execute('detach', to_string=True)
