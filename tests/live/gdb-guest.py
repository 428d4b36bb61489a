# SPDX-License-Identifier: GPL-2.0-or-later
#
# What gdb-stacks.py and gdb-steps.py have in common; gdb is given it before them.
#
# Environment: TOOL and GUEST, its argument; MONITOR, the socket of QEMU's monitor; KASLR, by what the kernel was moved;
# N_RESULTS, how many lines of TAP there were before.
import functools
import json
import os
import socket
import subprocess

import gdb

KASLR = int(os.environ['KASLR'], 0)
MASK = (1 << 64) - 1
THUNK = '__x86_indirect_thunk_'
constants = {}


def number(expression):
    return int(gdb.parse_and_eval(expression)) & MASK


def register(frame, name):
    return int(frame.read_register(name)) & MASK


def word(address):
    return number('*(unsigned long *) %#x' % address)


def constant(expression):
    if expression not in constants:
        constants[expression] = number(expression)
    return constants[expression]


@functools.lru_cache(maxsize=None)
def symbol_and_rest(address):
    text = gdb.execute('info symbol %#x' % address, to_string=True)
    return ['', ''] if text.startswith('No symbol') else text.split(maxsplit=1)


def symbol(address):
    return symbol_and_rest(address)[0]


def is_start(address):
    name, rest = symbol_and_rest(address)
    return name and not rest.startswith('+')


def is_entry(address):
    return constant('(unsigned long) &__entry_text_start') <= address < constant('(unsigned long) &__entry_text_end')


def first_of(*expressions):
    """Kernels differ in what they call the same."""
    for expression in expressions:
        try:
            number('(unsigned long) &' + expression)
            return expression
        except gdb.error:
            pass
    raise gdb.GdbError('there is none of ' + ', '.join(expressions))


@functools.lru_cache(maxsize=None)
def return_thunk():
    return number('*(unsigned long *) &x86_return_thunk')


def instruction(address):
    return gdb.selected_inferior().architecture().disassemble(address)[0]['asm']


def tool():
    output = subprocess.run([os.environ['TOOL'], '-o', 'json', 'stack', os.environ['GUEST']], check=True,
                            stdout=subprocess.PIPE).stdout
    return {stack['vcpu']: stack for stack in json.loads(output) if 'vcpu' in stack}


n_results = int(os.environ['N_RESULTS'])


def result(passed, name, explanation=''):
    global n_results
    n_results += 1
    print('%sok %d - %s' % ('' if passed else 'not ', n_results, name))
    if explanation:
        print('\n'.join('# ' + line for line in explanation.split('\n')))


class Monitor:
    """QEMU's; nobody else can use it meanwhile."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.environ['MONITOR'])
        self.lines = self.socket.makefile('rw')
        self.execute('qmp_capabilities')

    def wait_for(self, word):
        while word not in self.lines.readline():
            pass

    def execute(self, command):
        self.lines.write('{"execute":"%s"}\n' % command)
        self.lines.flush()
        self.wait_for('"return"')

    def close(self):
        self.lines.close()
        self.socket.close()


def monitor(command):
    connection = Monitor()
    connection.execute(command)
    connection.close()


def run_to(place):
    breakpoint = gdb.Breakpoint('*' + place)
    try:
        gdb.execute('continue', to_string=True)
    finally:
        breakpoint.delete()


gdb.execute('set pagination off')
gdb.execute('set confirm off')
