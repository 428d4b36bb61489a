/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An update: what `create` writes to a file, and everything that `apply` needs besides the guest.
 *
 * It holds, per object file of the kernel that the patch changed, the old code that must be found running before
 * anything is trusted (run-pre matching), and the new code. Both are machine code with fixups (what the linker would
 * have filled in) and sites (what the running kernel modifies by itself). docs/update-format.md describes the file.
 *
 * "Old object" means the object compiled from the unpatched source exactly as the kernel's build compiles it; so each
 * of its sections lies in one piece in the running kernel, and one matched reference into a section locates all of it.
 */
#ifndef PATCHER_UPDATE_H
#define PATCHER_UPDATE_H

#include <glib.h>

#define PATCH_ID_LENGTH 8       /* a-z and 2-7 */

/* What a fixup's field refers to. */
typedef enum {
    PATCH_TARGET_SYMBOL,        /* PatchObject.symbols[index] */
    PATCH_TARGET_PIECE,         /* PatchObject.pieces[index]; in new code only */
    PATCH_TARGET_LITERAL,       /* PatchObject.literals[index]: bytes that lie at the place referred to, wherever the
                                   linker merged them; in old code only */
} PatchTargetKind;

/* One field to be filled in; S + A, or S + A - P, as the relocation type of the x86-64 psABI says. */
typedef struct {
    guint32 offset;             /* bytes from the start of the code */
    guint32 type;               /* R_X86_64_* : 64, PC32, PLT32, 32, 32S, PC64 */
    gint64 addend;
    PatchTargetKind target;
    guint32 index;
} PatchFixup;

/* PatchSite.arg of a jump label whose target lies in another section than the code (.text.unlikely): a fixup at the
 * second byte of the site says where, though the code as it stands may be a nop. */
#define PATCH_JUMP_BY_FIXUP G_MAXUINT64

/* A stretch of code that the kernel rewrites while it boots or runs. */
typedef enum {
    PATCH_SITE_FTRACE,          /* call __fentry__, or the five-byte nop it becomes */
    PATCH_SITE_ALTERNATIVE,     /* any of PatchSite.choices, or the code as it stands */
    PATCH_SITE_PARAVIRT,        /* call *pv_ops+N, or what it becomes; arg: index of the pv_ops member, N / 8 */
    PATCH_SITE_SMP_LOCK,        /* one byte: a lock prefix, or ds where there is one CPU */
    PATCH_SITE_JUMP_LABEL,      /* a nop or a jump of 2 or 5 bytes; arg: target, bytes from the start of the code */
    PATCH_SITE_STATIC_CALL,     /* call or jmp of five bytes (arg 1: tail call) */
    PATCH_SITE_RETPOLINE,       /* call, jmp or jcc to __x86_indirect_thunk_REG (arg: number of REG) */
    PATCH_SITE_RETURN,          /* jmp __x86_return_thunk, five bytes; a ret where no mitigation wants it */
    PATCH_SITE_ENDBR,           /* endbr64, or the nop it is sealed to */
    PATCH_SITE_RUNTIME_CONSTANT,    /* 8 bytes or 1 of an instruction: a variable that the kernel builds in when it boots */
    PATCH_N_SITE_KINDS
} PatchSiteKind;

typedef struct {
    guint32 feature;            /* X86_FEATURE_* as in the object, flags included */
    GByteArray *bytes;          /* the replacement */
    GArray *fixups;             /* of PatchFixup; offsets from the start of the replacement, which is written at the
                                   start of the site */
} PatchChoice;

typedef struct {
    PatchSiteKind kind;
    guint32 offset, length;     /* bytes */
    guint64 arg;
    GPtrArray *choices;         /* of PatchChoice, in the kernel's order (a later one wins); NULL if not ALTERNATIVE */
} PatchSite;

/* Machine code or data. Fixups and sites by ascending offset. Fixups inside a site stay listed. */
typedef struct {
    GByteArray *bytes;
    GArray *fixups;             /* of PatchFixup */
    GPtrArray *sites;           /* of PatchSite */
} PatchCode;

typedef struct {
    char *name;                 /* of the old object's section, as .text */
    guint64 size, alignment;    /* bytes */
} PatchSection;

/* A symbol of the old object, section symbols (named as their section, value 0) included; or one that only the new
 * code refers to, which is then undefined. */
typedef struct {
    char *name;
    gint32 section;             /* PatchObject.sections[section]; -1: defined in another object */
    guint64 value, size;        /* bytes from the start of the section */
    gboolean is_global, is_function;
} PatchSymbol;

/* A function of the old object, to be matched against the running kernel. */
typedef struct {
    guint32 symbol;             /* PatchObject.symbols[symbol] */
    PatchCode *code;
} PatchOldFunction;

typedef enum {
    PATCH_PIECE_TEXT,           /* executed, never written */
    PATCH_PIECE_RODATA,         /* read */
    PATCH_PIECE_DATA,           /* read and written, with initial values */
    PATCH_PIECE_BSS,            /* the same, all zero; code->bytes is empty, size says how much */
} PatchPieceKind;

/* New code or data, to be placed anywhere in the guest. */
typedef struct {
    char *name;                 /* of the function or datum; for messages */
    PatchPieceKind kind;
    guint64 alignment, size;    /* bytes */
    PatchCode *code;
} PatchPiece;

/* An instruction of new code that may fault, and where the kernel then goes on. */
typedef struct {
    guint32 piece, offset;          /* the instruction: in PatchObject.pieces[piece], a text piece; bytes */
    guint32 to_piece, to_offset;    /* the same of where to go on */
    gint32 handler;                 /* PatchObject.symbols[handler] does what else there is to do (until Linux 5.15);
                                       -1: DATA says what (since 5.16) */
    guint32 data;                   /* the third word of the kernel's entry */
} PatchException;

/* From here on up to the next one in the piece, or to the piece's end, the kernel's unwinder is told ENTRY. */
typedef struct {
    guint32 piece, offset;          /* as above */
    guint64 entry;                  /* the bytes of a struct orc_entry, the first one lowest; else zero */
} PatchUnwind;

/* Why a function is replaced. */
typedef enum {
    PATCH_REASON_CHANGED,       /* its own source changed */
    PATCH_REASON_INLINED,       /* it inlines the cause, whose source changed */
    PATCH_REASON_CALLS,         /* it calls the cause, which changed and cannot be replaced itself */
    PATCH_REASON_COMPILED,      /* the compiler made other code of it, for none of these reasons */
    PATCH_N_REASONS
} PatchReason;

/* Calls of the old function go to the new one. */
typedef struct {
    guint32 function;           /* PatchObject.functions[function] */
    guint32 piece;              /* PatchObject.pieces[piece], a text piece */
    GArray *parts;              /* of guint32, indices into functions: the old function's .cold and other parts, whose
                                   code is in use when it is */
    PatchReason reason;
    char *cause;                /* name of a function; "" if the reason has none */
} PatchReplacement;

/* How a value is shown to people. */
typedef enum {
    PATCH_FORM_BYTES,
    PATCH_FORM_NUMBER,
    PATCH_FORM_SIGNED,          /* a number that may be negative */
    PATCH_FORM_TEXT,            /* an array of char */
    PATCH_N_FORMS
} PatchForm;

typedef enum {
    PATCH_ORIGIN_ASKED,         /* its maker asked for it (create --set) */
    PATCH_ORIGIN_PATCH,         /* it follows from the source patch */
    PATCH_N_ORIGINS
} PatchOrigin;

#define PATCH_MAX_POINTERS 4    /* from a symbol to a datum */

/* Memory that exists in the running kernel, that has to hold BEFORE, and that is to hold AFTER. */
typedef struct {
    char *name;                 /* as in "tcp_prot.max_header"; for messages */
    PatchForm form;
    PatchOrigin origin;
    guint32 symbol;             /* PatchObject.symbols[symbol], */
    GArray *offsets;            /* of guint64: bytes from it; and for each further one, there is a pointer, and it is
                                   bytes from where that leads to */
    GByteArray *mask;           /* the bits that count, of each byte; empty: all */
    PatchCode *before;          /* without sites */
    PatchCode *after;           /* of the same length; or empty: it is only looked at */
} PatchDatum;

/* Functions that are called in the guest around an update. */
typedef enum {
    PATCH_HOOK_PRE_APPLY,       /* numbered as in kernel-headers/virt-livepatch.h */
    PATCH_HOOK_POST_APPLY,
    PATCH_HOOK_PRE_UNDO,
    PATCH_HOOK_POST_UNDO,
    PATCH_HOOK_RELEASE,         /* after those: gives back what the update's own shadow variables have left */
    PATCH_N_HOOK_KINDS
} PatchHookKind;

#define PATCH_MAX_HOOKS 64              /* of an object */
#define PATCH_MAX_HOOK_SECONDS 3600

typedef struct {
    PatchHookKind kind;
    guint32 limit_s;            /* how long it may take */
    guint32 piece;              /* PatchObject.pieces[piece], a text piece: int (*)(void) */
} PatchHook;

typedef struct {
    char *path;                 /* as fs/proc/uptime.o */
    char *module;               /* as nf_tables; "" for vmlinux */
    GPtrArray *sections;        /* of PatchSection */
    GPtrArray *symbols;         /* of PatchSymbol */
    GPtrArray *literals;        /* of GBytes */
    GPtrArray *functions;       /* of PatchOldFunction: the replaced ones, their parts, and whatever else has to be
                                   matched to resolve what the new code refers to */
    GPtrArray *pieces;          /* of PatchPiece */
    GPtrArray *replacements;    /* of PatchReplacement */
    GArray *exceptions;         /* of PatchException */
    guint8 unwind_bytes;        /* size of a struct orc_entry, bytes; 0 if the object has none */
    GArray *unwinds;            /* of PatchUnwind, by ascending piece and offset */
    GPtrArray *data;            /* of PatchDatum */
    GArray *hooks;              /* of PatchHook; those of one kind are called in this order */
} PatchObject;

typedef struct {
    char id[PATCH_ID_LENGTH + 1];   /* drawn from the content; set by save and load */
    char *description;
    char *kernel;               /* version of the source, as 6.1.192 */
    char *build_id;             /* hex, of the vmlinux it is for; "" if not known */
    char *compiler;             /* first line of its --version */
    char *patch;                /* the source patch */
    GStrv cves;                 /* named in patch or description */
    GStrv forced;               /* names of the classes of findings that its maker has overridden */
    GPtrArray *objects;         /* of PatchObject */
} PatchUpdate;

PatchUpdate *patch_update_new(void);
void patch_update_free(PatchUpdate *update);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchUpdate, patch_update_free)

PatchObject *patch_object_new(void);
void patch_object_free(PatchObject *object);
PatchCode *patch_code_new(void);
void patch_code_free(PatchCode *code);
PatchSite *patch_site_new(PatchSiteKind kind, guint32 offset, guint32 length, guint64 arg);
void patch_site_free(PatchSite *site);
PatchChoice *patch_choice_new(guint32 feature);
void patch_choice_free(PatchChoice *choice);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchObject, patch_object_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchCode, patch_code_free)

/* Each adds one to its array in OBJECT, which owns it; its index is the array's last. Code, flags and parts are filled
 * in by the caller. */
PatchSection *patch_object_add_section(PatchObject *object, const char *name, guint64 size, guint64 alignment);
PatchSymbol *patch_object_add_symbol(PatchObject *object, const char *name, gint32 section, guint64 value,
                                     guint64 size);
PatchOldFunction *patch_object_add_function(PatchObject *object, guint32 symbol);
PatchPiece *patch_object_add_piece(PatchObject *object, const char *name, PatchPieceKind kind, guint64 alignment,
                                   guint64 size);
PatchReplacement *patch_object_add_replacement(PatchObject *object, guint32 function, guint32 piece,
                                               PatchReason reason, const char *cause);

PatchDatum *patch_object_add_datum(PatchObject *object, const char *name, PatchForm form, PatchOrigin origin,
                                   guint32 symbol);

/* As in "pre-apply". */
const char *patch_hook_kind_name(PatchHookKind kind);

/* One word, for programs; and why, for people (to be freed). */
const char *patch_reason_name(PatchReason reason);
char *patch_reason_text(PatchReason reason, const char *cause);

/* The same of a datum. */
const char *patch_origin_name(PatchOrigin origin);
const char *patch_origin_text(PatchOrigin origin);

const char *patch_site_kind_name(PatchSiteKind kind);

/* The bytes of an update file, and back. Loading checks everything: digest, indices, offsets, lengths; what it returns
 * can be trusted to be consistent, whoever wrote the file. PATCH_ERROR_FAILED: the file is damaged, or no update. */
GBytes *patch_update_save(PatchUpdate *update);
PatchUpdate *patch_update_load(GBytes *bytes, GError **error);

/* The same with a file; written whole or not at all. */
gboolean patch_update_write_file(PatchUpdate *update, const char *path, GError **error);
PatchUpdate *patch_update_read_file(const char *path, GError **error);

/* In two steps: first only what says which update it is, and that it is whole; then, when privileges have been given up, what
 * is in it. */
typedef struct {
    char *path;
    GBytes *bytes;
    char id[PATCH_ID_LENGTH + 1];
} PatchUpdateFile;

PatchUpdateFile *patch_update_file_open(const char *path, GError **error);
void patch_update_file_free(PatchUpdateFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchUpdateFile, patch_update_file_free)
PatchUpdate *patch_update_file_load(const PatchUpdateFile *file, GError **error);

/* The same for whoever does nothing else: privileges are given up (vmm/sandbox.h) before the first byte is looked at. */
PatchUpdate *patch_update_read_strange_file(const char *path, GError **error);

#endif
