# SPDX-License-Identifier: GPL-2.0-or-later
#
# For gdb, which has loaded the kernel's debug information and is connected to the guest's QEMU: stops the guest in an
# interrupt, in an exception, and so on, and compares what gdb makes of each vCPU's stack with what `virt-livepatch -o json
# stack` makes of it. Prints TAP.
#
# gdb knows C functions' frames, but neither how entry code saves registers nor how the kernel changes stacks. So its own
# unwinding goes from one of these places to the next; there, the registers that lie on the stack (struct pt_regs, right where
# C code returns to entry code) or the stack pointer that does (in the topmost word of the interrupt stack) are put into the
# vCPU, which has its own back in the end.
#
# Environment: that of gdb-guest.py; ROUNDS, how often it is stopped at random.
import random
import threading
import time

CALLEE_SAVED = ['rbx', 'rbp', 'r12', 'r13', 'r14', 'r15']
ALL = ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15', 'rip']
SAVED_AS = {'rbx': 'bx', 'rbp': 'bp', 'rsp': 'sp', 'rip': 'ip', 'r12': 'r12', 'r13': 'r13', 'r14': 'r14', 'r15': 'r15'}
MAX_FRAMES = 200
MAX_TRIES = 300
THUNK_BYTES = 32


def set_registers(values):
    for name, value in values.items():
        # After each, gdb selects the frame that was selected, which is another one now: its registers would be set in memory.
        gdb.newest_frame().select()
        gdb.execute('set $%s = %#x' % (name, value), to_string=True)


def is_text(address):
    return is_entry(address) or constant('(unsigned long) &_stext') <= address < constant('(unsigned long) &_etext')


@functools.lru_cache(maxsize=None)
def ends():
    return [first_of('ret_from_fork_asm', 'ret_from_fork'), 'common_startup_64', 'secondary_startup_64_no_verify',
            'secondary_startup_64']


# Per-CPU symbols are offsets, which do not move with the kernel.
@functools.lru_cache(maxsize=None)
def irq_stack_top(cpu):
    pointer = number('(unsigned long) &' + first_of('hardirq_stack_ptr', 'pcpu_hot.hardirq_stack_ptr'))
    return word((pointer - KASLR + number('__per_cpu_offset[%d]' % cpu)) & MASK)


class Walk:
    """The stack of the selected thread: return addresses, and whether its end was reached."""

    def __init__(self, cpu):
        self.pcs, self.places, self.is_whole, self.jumps_by_return = [], [], False, False
        self.top = irq_stack_top(cpu)
        saved = {name: register(gdb.newest_frame(), name) for name in ALL}
        try:
            again = {}
            while again is not None and len(self.pcs) < MAX_FRAMES:
                again = self.segment(again.get('is_same_frame', False))
                if again is not None:
                    set_registers(again['registers'])
        finally:
            set_registers(saved)

    def add(self, pc):
        self.pcs.append(pc)
        self.places.append(symbol(pc) or hex(pc))

    def segment(self, is_same_frame):
        frame = gdb.newest_frame()
        beyond = self.beyond_thunk(frame.pc() & MASK, register(frame, 'rsp'))
        if beyond is not None:
            return beyond
        while frame is not None and len(self.pcs) < MAX_FRAMES:
            if frame.type() in (gdb.NORMAL_FRAME, gdb.SIGTRAMP_FRAME):
                pc, sp = frame.pc() & MASK, register(frame, 'rsp')
                if not is_text(pc):
                    return None
                if not is_same_frame:
                    self.add(pc)
                is_same_frame = False
                if symbol(pc - 1) in ends():
                    self.is_whole = True
                    return None
                if is_entry(pc):
                    return self.beyond_entry(frame, pc, sp)
                if sp == self.top:
                    registers = {name: register(frame, name) for name in CALLEE_SAVED}
                    registers.update(rip=pc, rsp=word(sp))
                    return {'registers': registers, 'is_same_frame': True}
            frame = frame.older()
        return None

    def beyond_thunk(self, pc, sp):
        """A retpoline calls itself, puts where it is to jump in the place of the return address, and returns, maybe through
        another thunk."""
        if not symbol(pc).startswith(THUNK) and pc != return_thunk():
            return None
        self.add(pc)
        if instruction(pc).startswith('mov'):
            sp += 8
        self.jumps_by_return |= is_start(word(sp))
        return {'registers': {'rip': word(sp), 'rsp': sp + 8}}

    def beyond_entry(self, frame, pc, sp):
        """What entry code calls to save the registers does so behind its own return address."""
        if frame.level() == 0:
            return None
        if symbol(pc) in ('error_entry', 'paranoid_entry'):
            sp += 8
        regs = gdb.parse_and_eval('*(struct pt_regs *) %#x' % sp)
        if int(regs['cs']) & 3:
            self.is_whole = True
            return None
        return {'registers': {name: int(regs[member]) & MASK for name, member in SAVED_AS.items()}}


def walk(thread):
    thread.switch()
    return None if int(gdb.newest_frame().read_register('cs')) & 3 else Walk(thread.num - 1)


def walks():
    return {thread.num - 1: walk(thread) for thread in gdb.selected_inferior().threads()}


def differences(walks):
    said = []
    stacks = tool()
    for cpu, walk in walks.items():
        pcs = walk.pcs if walk else []
        certain = [int(frame['address'], 0) for frame in stacks[cpu]['frames'] if frame['certain']]
        is_same = certain[:len(pcs)] == pcs
        if walk and symbol(walk.pcs[0]) == '__switch_to_asm':
            # Unwind data do not know of alternatives that push there, so that nothing is certain.
            is_same = certain == pcs[:len(certain)] and set(pcs) <= {int(frame['address'], 0) for frame in stacks[cpu]['frames']}
        elif walk is None or walk.is_whole:
            is_same = certain == pcs and stacks[cpu]['complete']
        if not is_same:
            said.append('vCPU %d\n  gdb:  %s%s\n  tool: %s%s' % (
                cpu, ' | '.join(walk.places if walk else ['user mode']), '' if not walk or walk.is_whole else ' ...',
                ' | '.join(('' if f['certain'] else '? ') + f['where'] for f in stacks[cpu]['frames']),
                '' if stacks[cpu]['complete'] else ' ...'))
    return said


def look_at(name, place, names, before_each=None, holds=lambda walk: True):
    """Stops at PLACE until a vCPU is there by way of all of NAMES and HOLDS of it, and compares."""
    for _ in range(MAX_TRIES):
        if before_each:
            before_each()
        run_to(place)
        found = walk(gdb.selected_thread())
        if found and found.is_whole and holds(found) and all(any(place.startswith(name) for place in found.places) for name in names):
            said = differences(walks())
            result(not said, name, '\n'.join(said) or ' | '.join(found.places))
            return
    result(False, name, 'never seen')


def steps_of_thunk(name):
    start = number('(unsigned long) &' + name)
    code = gdb.selected_inferior().architecture().disassemble(start, start + THUNK_BYTES - 1)
    return ['(char *) %#x' % each['addr'] for each in code if each['asm'].startswith(('call', 'mov'))]


def nmi_in_system_call():
    """What waits for the vCPU when it goes on finds it where it is, which must not be in another NMI."""
    run_to('&vfs_write')
    monitor('inject-nmi')


def stop_when_it_runs(connection, seconds):
    connection.wait_for('"RESUME"')
    time.sleep(seconds)
    connection.execute('stop')
    connection.close()


def look_at_random(rounds):
    said, n_kernel, n_whole = [], 0, 0
    for _ in range(rounds):
        stop = threading.Thread(target=stop_when_it_runs, args=(Monitor(), random.random() / 10))
        stop.start()
        gdb.execute('continue', to_string=True)
        stop.join()
        found = walks()
        n_kernel += sum(walk is not None for walk in found.values())
        n_whole += sum(walk is not None and walk.is_whole for walk in found.values())
        said += differences(found)
    result(not said, 'at %d moments' % rounds, '\n'.join(said))
    result(n_whole > 0, '%d stacks in the kernel, of which gdb has seen %d to their end' % (n_kernel, n_whole))


SYSCALL = ['do_syscall_64', 'entry_SYSCALL_64']
look_at('a system call', '&vfs_write', SYSCALL)
look_at('an interrupt on top of a system call', '&' + first_of('tick_sched_timer', 'tick_nohz_handler'),
        ['asm_sysvec_apic_timer_interrupt'] + SYSCALL)
look_at('a soft interrupt on top of a system call', '&net_rx_action', ['handle_softirqs'] + SYSCALL)
look_at('a soft interrupt after an interrupt on top of a system call', '&run_timer_softirq',
        ['handle_softirqs', 'asm_sysvec_apic_timer_interrupt'] + SYSCALL)
look_at('an exception on top of a system call', '&handle_mm_fault', ['asm_exc_page_fault'] + SYSCALL)
look_at('an exception in user mode', '&handle_mm_fault', ['asm_exc_page_fault'])
look_at('an NMI on top of a system call', '&default_do_nmi', ['exc_nmi'] + SYSCALL, nmi_in_system_call)
look_at('an idle CPU', '&default_idle_call', ['cpu_startup_entry'])
look_at('a kernel thread', '&process_one_work', ['kthread', 'ret_from_fork'])
for step in steps_of_thunk(THUNK + 'rax'):
    look_at('in a retpoline at ' + step, step, [])
RETURN_THUNK = '(char *) %#x' % return_thunk()
look_at('a return through a thunk', RETURN_THUNK, [], holds=lambda walk: not walk.jumps_by_return)
look_at('a jump through it', RETURN_THUNK, [], holds=lambda walk: walk.jumps_by_return)
look_at_random(int(os.environ['ROUNDS']))
