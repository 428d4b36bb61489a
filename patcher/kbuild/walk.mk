# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads the Makefiles of a kernel tree as its own build does, folder by folder, and prints what becomes of every object:
# "y OBJECT" for what goes into vmlinux, "m OBJECT MODULE" for what goes into a module. Nothing is built. Runs in the
# build folder, with srctree (the source) and tops (a file with what the top Makefiles say of folders).
#
# What is meant by obj-y, obj-m, subdir-y, NAME-objs and so on: Documentation/kbuild/makefiles.rst, scripts/Makefile.lib.

MAKEFLAGS += -rR
.DEFAULT_GOAL := walked

include include/config/auto.conf
include $(srctree)/scripts/Kbuild.include

objtree := .
SRCARCH := x86
ARCH := x86
BITS := 64

# Until 6.9, Makefiles have $(src) relative to the source.
srcroot := $(if $(shell grep -x 'src := .(obj)' $(srctree)/scripts/Makefile.build),,$(srctree)/)

suffix-search = $(strip $(foreach s,$3,$($(1:%$(strip $2)=%$s))))
parts = $(if $(call suffix-search,$1,.o,$2 -),$(call suffix-search,$1,.o,$2),$1)

define say-builtin
$(foreach o,$(obj-y) $(lib-y) $(extra-y),$(foreach p,$(call parts,$o,-objs -y),$(info y $(obj)/$p)))
endef
define say-modules
$(foreach o,$(filter-out $(obj-y),$(obj-m)),$(foreach p,$(call parts,$o,-objs -y -m),$(info m $(obj)/$p $(obj)/$(o:.o=))))
endef

# visit FOLDER y|m: m for a folder that only modules are built in. Its variables are forgotten afterwards.
define visit
obj := $1
src := $(srcroot)$1
obj-y :=
obj-m :=
lib-y :=
subdir-y :=
subdir-m :=
extra-y :=
-include $$(or $$(wildcard $$(srctree)/$1/Kbuild),$$(srctree)/$1/Makefile)
$$(eval next-y := $$(patsubst %/,$1/%,$$(filter %/,$$(obj-y))) $$(addprefix $1/,$$(subdir-y)))
$$(eval next-m := $$(patsubst %/,$1/%,$$(filter %/,$$(obj-m))) $$(addprefix $1/,$$(subdir-m)))
$$(eval obj-y := $$(filter-out %/,$$(obj-y)))
$$(eval obj-m := $$(filter-out %/,$$(obj-m)))
$(if $(filter y,$2),$$(eval $$(value say-builtin)))
$$(eval $$(value say-modules))
$$(foreach d,$$(sort $$(next-y)),$$(eval todo += $2:$$d))
$$(foreach d,$$(sort $$(next-m)),$$(eval todo += m:$$d))
$$(foreach v,$$(filter-out $$(known-variables) todo,$$(.VARIABLES)),$$(eval undefine $$v))
endef

visit-next = $(eval $(call visit,$(word 2,$(subst :, ,$1)),$(firstword $(subst :, ,$1))))
step = $(if $(todo),$(eval now := $(firstword $(todo)))$(eval todo := $(wordlist 2,99999,$(todo)))$(call visit-next,$(now))$(call step))

include $(tops)
tops-y := $(obj-y) $(init-y) $(core-y) $(core-m) $(drivers-y) $(drivers-m) $(libs-y) $(net-y) $(virt-y)
todo := $(patsubst %/,y:%,$(sort $(filter %/,$(tops-y))))
now :=
known-variables :=
known-variables := $(.VARIABLES)
$(call step)

.PHONY: walked
walked: ; @:
