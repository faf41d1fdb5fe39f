// What Swift cannot see of Linux by itself: requests and constants that are computed macros, and calls that are
// variadic or hidden by Glibc's module; and instructions that it has no words for. Nothing here does more than it says.
#ifndef STUBVISOR_LINUX_H
#define STUBVISOR_LINUX_H

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// glibc's struct f_owner_ex, hidden likewise.
struct clinux_owner {
    int type;
    int pid;
};

static inline int clinux_ioctl(int fd, unsigned long request, void *argument) { return ioctl(fd, request, argument); }
static inline int clinux_ioctl_value(int fd, unsigned long request, unsigned long value) {
    return ioctl(fd, request, value);
}
static inline int clinux_fcntl(int fd, int command, int value) { return fcntl(fd, command, value); }
// Glibc hides it behind _GNU_SOURCE, which would change structures that Swift's Glibc module defines too.
extern int pthread_setname_np(pthread_t, const char *);
// F_SETOWN_EX (15) with F_OWNER_TID (0): deliver the descriptor's SIGIO to one thread.
static inline int clinux_own_by_thread(int fd, int thread) {
    struct clinux_owner owner = {0, thread};
    return fcntl(fd, 15, &owner);
}
// What was written to the guest's memory is what its processors execute, and see with their caches off: cleans the data
// cache to memory, and takes old instructions away (Arm ARM, B2.4.4). x86 does that by itself.
static inline void clinux_publish(const void *start, unsigned long count) {
#ifdef __aarch64__
    unsigned long type, end = (unsigned long)start + count;
    __asm__ volatile("mrs %0, ctr_el0" : "=r"(type));
    unsigned long data = 4ul << (type >> 16 & 15), code = 4ul << (type & 15);
    for (unsigned long line = (unsigned long)start & ~(data - 1); line < end; line += data)
        __asm__ volatile("dc civac, %0" : : "r"(line) : "memory");
    __asm__ volatile("dsb ish" : : : "memory");
    for (unsigned long line = (unsigned long)start & ~(code - 1); line < end; line += code)
        __asm__ volatile("ic ivau, %0" : : "r"(line) : "memory");
    __asm__ volatile("dsb ish\n\tisb" : : : "memory");
#else
    (void)start;
    (void)count;
#endif
}
// SO_PEERCRED fills a struct ucred, which glibc hides behind _GNU_SOURCE.
static inline int clinux_peer_user(int fd, unsigned *user) {
    struct {
        int process;
        unsigned user, group;
    } peer;
    socklen_t count = sizeof peer;
    int failure = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &count);
    if (failure == 0) *user = peer.user;
    return failure;
}
static inline long clinux_getrandom(void *bytes, unsigned long count) { return getrandom(bytes, count, 0); }
static inline int clinux_prctl(int option, unsigned long first, unsigned long second) {
    return prctl(option, first, second, 0ul, 0ul);
}
// The calling thread's permitted, effective and inheritable sets become empty.
static inline int clinux_drop_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return (int)syscall(SYS_capset, &header, none);
}
static inline int clinux_thread_id(void) { return (int)syscall(SYS_gettid); }
// A CLOCK_MONOTONIC timer that sends `signal` to one thread: SIGEV_THREAD_ID (4), whose field glibc does not name.
// The timer's name is a number, although glibc gives it a pointer's type: the first one is 0.
static inline int clinux_make_timer(int thread, int signal, unsigned long *name) {
    struct sigevent event = {0};
    event.sigev_notify = 4;
    event.sigev_signo = signal;
    event._sigev_un._tid = thread;
    timer_t timer;
    int failure = timer_create(CLOCK_MONOTONIC, &event, &timer);
    *name = (unsigned long)timer;
    return failure;
}
static inline int clinux_set_timer(unsigned long name, const struct itimerspec *time) {
    return timer_settime((timer_t)name, TIMER_ABSTIME, time, 0);
}
static inline int clinux_delete_timer(unsigned long name) { return timer_delete((timer_t)name); }
static inline int clinux_open(const char *path, int flags, int mode) { return open(path, flags, mode); }
static inline int clinux_openat(int folder, const char *name, int flags, int mode) {
    return openat(folder, name, flags, mode);
}
static inline int clinux_name_thread(const char *name) {
    return pthread_setname_np(pthread_self(), name);
}

// O_ASYNC is hidden by the strict feature macros Swift imports with.
static const int CLINUX_O_ASYNC = 020000;
// So is POLLRDHUP.
static const short CLINUX_POLLRDHUP = 0x2000;
static const int CLINUX_O_NONBLOCK = 04000;
static const int CLINUX_O_CLOEXEC = 02000000;
static const int CLINUX_EFD_CLOEXEC = EFD_CLOEXEC;
static const int CLINUX_EFD_NONBLOCK = EFD_NONBLOCK;
static const int CLINUX_SOCK_CLOEXEC = 02000000;
static const int CLINUX_MAP_ANONYMOUS = 0x20;
static const int CLINUX_MAP_NORESERVE = 0x4000;
static const int CLINUX_MADV_DONTDUMP = 16;
static const int CLINUX_SA_RESETHAND = (int)0x80000000;

static const int CLINUX_NO_NEW_PRIVILEGES = PR_SET_NO_NEW_PRIVS;
static const int CLINUX_DROP_FROM_BOUNDING_SET = PR_CAPBSET_DROP;
static const int CLINUX_AMBIENT_SET = PR_CAP_AMBIENT;
static const unsigned long CLINUX_CLEAR_ALL = PR_CAP_AMBIENT_CLEAR_ALL;

// The requests of Documentation/virt/kvm/api.rst, under their own names with REQUEST for KVM.
static const unsigned long REQUEST_GET_API_VERSION = KVM_GET_API_VERSION;
static const unsigned long REQUEST_CREATE_VM = KVM_CREATE_VM;
static const unsigned long REQUEST_CHECK_EXTENSION = KVM_CHECK_EXTENSION;
static const unsigned long REQUEST_GET_VCPU_MMAP_SIZE = KVM_GET_VCPU_MMAP_SIZE;
static const unsigned long REQUEST_CREATE_VCPU = KVM_CREATE_VCPU;
static const unsigned long REQUEST_SET_USER_MEMORY_REGION = KVM_SET_USER_MEMORY_REGION;
static const unsigned long REQUEST_CREATE_IRQCHIP = KVM_CREATE_IRQCHIP;
static const unsigned long REQUEST_IRQ_LINE = KVM_IRQ_LINE;
static const unsigned long REQUEST_SIGNAL_MSI = KVM_SIGNAL_MSI;
static const unsigned long REQUEST_SET_GSI_ROUTING = KVM_SET_GSI_ROUTING;
static const unsigned long REQUEST_IRQFD = KVM_IRQFD;
static const unsigned long REQUEST_CREATE_DEVICE = KVM_CREATE_DEVICE;
static const unsigned long REQUEST_SET_DEVICE_ATTR = KVM_SET_DEVICE_ATTR;
static const unsigned long REQUEST_GET_DEVICE_ATTR = KVM_GET_DEVICE_ATTR;
static const unsigned long REQUEST_HAS_DEVICE_ATTR = KVM_HAS_DEVICE_ATTR;
static const unsigned long REQUEST_ENABLE_CAP = KVM_ENABLE_CAP;
static const unsigned long REQUEST_RUN = KVM_RUN;
static const unsigned long REQUEST_GET_MP_STATE = KVM_GET_MP_STATE;
static const unsigned long REQUEST_SET_MP_STATE = KVM_SET_MP_STATE;
static const unsigned long REQUEST_SET_GUEST_DEBUG = KVM_SET_GUEST_DEBUG;
static const unsigned long REQUEST_GET_VCPU_EVENTS = KVM_GET_VCPU_EVENTS;
static const unsigned long REQUEST_SET_VCPU_EVENTS = KVM_SET_VCPU_EVENTS;
static const unsigned long REQUEST_GET_ONE_REG = KVM_GET_ONE_REG;
static const unsigned long REQUEST_SET_ONE_REG = KVM_SET_ONE_REG;
static const unsigned long REQUEST_GET_REG_LIST = KVM_GET_REG_LIST;
#ifdef __aarch64__
static const unsigned long REQUEST_ARM_PREFERRED_TARGET = KVM_ARM_PREFERRED_TARGET;
static const unsigned long REQUEST_ARM_VCPU_INIT = KVM_ARM_VCPU_INIT;
#endif
#ifdef __x86_64__
static const unsigned long REQUEST_GET_SUPPORTED_CPUID = KVM_GET_SUPPORTED_CPUID;
static const unsigned long REQUEST_SET_CPUID2 = KVM_SET_CPUID2;
static const unsigned long REQUEST_SET_TSS_ADDR = KVM_SET_TSS_ADDR;
static const unsigned long REQUEST_SET_IDENTITY_MAP_ADDR = KVM_SET_IDENTITY_MAP_ADDR;
static const unsigned long REQUEST_CREATE_PIT2 = KVM_CREATE_PIT2;
static const unsigned long REQUEST_GET_REGS = KVM_GET_REGS;
static const unsigned long REQUEST_SET_REGS = KVM_SET_REGS;
static const unsigned long REQUEST_GET_SREGS = KVM_GET_SREGS;
static const unsigned long REQUEST_SET_SREGS = KVM_SET_SREGS;
static const unsigned long REQUEST_GET_XSAVE = KVM_GET_XSAVE;
static const unsigned long REQUEST_SET_XSAVE = KVM_SET_XSAVE;
static const unsigned long REQUEST_GET_DEBUGREGS = KVM_GET_DEBUGREGS;
static const unsigned long REQUEST_SET_DEBUGREGS = KVM_SET_DEBUGREGS;
static const unsigned long REQUEST_GET_MSR_INDEX_LIST = KVM_GET_MSR_INDEX_LIST;
static const unsigned long REQUEST_GET_MSRS = KVM_GET_MSRS;
static const unsigned long REQUEST_SET_MSRS = KVM_SET_MSRS;
static const unsigned long REQUEST_GET_LAPIC = KVM_GET_LAPIC;
static const unsigned long REQUEST_SET_LAPIC = KVM_SET_LAPIC;
static const unsigned long REQUEST_GET_IRQCHIP = KVM_GET_IRQCHIP;
static const unsigned long REQUEST_SET_IRQCHIP = KVM_SET_IRQCHIP;
static const unsigned long REQUEST_GET_PIT2 = KVM_GET_PIT2;
static const unsigned long REQUEST_SET_PIT2 = KVM_SET_PIT2;
static const unsigned long REQUEST_GET_XCRS = KVM_GET_XCRS;
static const unsigned long REQUEST_SET_XCRS = KVM_SET_XCRS;
static const unsigned long REQUEST_TRANSLATE = KVM_TRANSLATE;
static const unsigned long REQUEST_INTERRUPT = KVM_INTERRUPT;
static const unsigned long REQUEST_NMI = KVM_NMI;
static const unsigned long REQUEST_GET_TSC_KHZ = KVM_GET_TSC_KHZ;
static const unsigned long REQUEST_KVMCLOCK_CTRL = KVM_KVMCLOCK_CTRL;
static const unsigned long REQUEST_X86_SET_MSR_FILTER = KVM_X86_SET_MSR_FILTER;
#endif

#endif
