# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# compat.mk - names of the kernel's that compat.h asks for, wherever stable kernels put them.
# Included by Kbuild.
fsc-has = $(if $(shell grep -sw '$(1)' $(srctree)/include/linux/$(2)),-DFSC_HAVE_$(3))
ccflags-y += $(call fsc-has,nop_mnt_idmap,mnt_idmapping.h,IDMAP)
ccflags-y += $(call fsc-has,kernel_tmpfile_open,fs.h,KERNEL_TMPFILE_OPEN)
ccflags-y += $(call fsc-has,vfs_lock_file,filelock.h,FILELOCK_H)
ccflags-y += $(call fsc-has,struct file_lock_core,filelock.h,FILE_LOCK_CORE)
ccflags-y += $(call fsc-has,shrinker_alloc,shrinker.h,SHRINKER_ALLOC)
ccflags-y += $(call fsc-has,iov_iter_folio_queue,uio.h,FOLIO_QUEUE)
