noinst_LIBRARIES += libvmm.a

libvmm_a_SOURCES =
