/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Counts the instructions an emulated aarch64 program executes, by class: a plugin of QEMU's user mode.
 *
 *     gcc -O2 -shared -fPIC -o count.so count.c
 *     qemu-aarch64 -plugin file=count.so,out=counts program …
 *
 * Each call of the guest's getppid, which nothing else needs, and the program's end append a line to `out`: the counts
 * so far, in the order of the classes below. They are right for one thread.
 *
 * Encodings: Arm Architecture Reference Manual for A-profile (DDI 0487), C4.1.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* QEMU's plugin interface, version 1 (QEMU 4.2 to 8.2, include/qemu/qemu-plugin.h), as far as it is used here. */
#define EXPORT __attribute__((visibility("default")))
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64 };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter, uint64_t add);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*call)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_syscall_cb(
    qemu_plugin_id_t id, void (*call)(qemu_plugin_id_t, unsigned int, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                      uint64_t, uint64_t, uint64_t));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*call)(qemu_plugin_id_t, void *), void *data);

EXPORT int qemu_plugin_version = 1;

enum { ALL, DOT, MULTIPLY, FLOAT, MEMORY, CLASSES };
enum { GETPPID = 173 };
static uint64_t counts[CLASSES];
static FILE *out;

/* SDOT and UDOT, by vector and by element. */
static bool is_dot(uint32_t word)
{
    return (word & 0x9f20fc00) == 0x0e009400 || (word & 0x9f00f400) == 0x0f00e000;
}

/* Integer vector multiplications, accumulating or not. A set bit is an opcode that is one. */
static bool is_multiply(uint32_t word)
{
    bool upper = word >> 29 & 1;
    if ((word & 0x9f200400) == 0x0e200400) /* three of the same length: MLA, MLS, MUL, SQDMULH, SQRDMULH */
        return (upper ? 0x440000 : 0x4c0000) >> (word >> 11 & 31) & 1;
    if ((word & 0x9f200c00) == 0x0e200000) /* of different lengths: SMLAL, SQDMLAL, SMLSL, SQDMLSL, SMULL, SQDMULL */
        return 0x3f00 >> (word >> 12 & 15) & 1;
    if ((word & 0x9f000400) == 0x0f000000) /* by element: all of these */
        return (upper ? 0x3cdd : 0x3dcc) >> (word >> 12 & 15) & 1;
    return false;
}

/* Floating point, scalar and vector, conversions included. */
static bool is_float(uint32_t word)
{
    if ((word & 0x5e000000) == 0x1e000000) /* scalar */
        return true;
    if ((word & 0x9f200400) == 0x0e200400) /* three of the same length: FMLA, FADD, FMUL, FMAX, FCMGE … */
        return (word >> 11 & 31) >= 24;
    if ((word & 0x9f3e0c00) == 0x0e200800) /* two registers: FCVT, FRINT, SCVTF … and, for 32 and 64 bits, FNEG, FCMGT … */
        return (word >> 12 & 31) >= 22 || ((word >> 14 & 7) == 3 && (word >> 23 & 1));
    if ((word & 0x9f000400) == 0x0f000000) /* by element: FMLA, FMLS, FMUL */
        return 0x0222 >> (word >> 12 & 15) & 1;
    return false;
}

static bool is_memory(uint32_t word)
{
    return (word & 0x0a000000) == 0x08000000;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t found[CLASSES] = {0};
    uint32_t word;
    found[ALL] = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < found[ALL]; i++) {
        memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), sizeof word);
        found[DOT] += is_dot(word);
        found[MULTIPLY] += is_multiply(word);
        found[FLOAT] += is_float(word);
        found[MEMORY] += is_memory(word);
    }
    for (int i = 0; i < CLASSES; i++)
        if (found[i])
            qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &counts[i], found[i]);
}

static void report(void)
{
    for (int i = 0; i < CLASSES; i++)
        fprintf(out, "%" PRIu64 "%c", counts[i], i + 1 < CLASSES ? ' ' : '\n');
    fflush(out);
}

static void called(qemu_plugin_id_t id, unsigned int cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    if (number == GETPPID)
        report();
}

static void ended(qemu_plugin_id_t id, void *data)
{
    report();
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
    if (!out)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
