// SPDX-License-Identifier: GPL-3.0-or-later
// workload [PAGES [FILE]]: a guest of two vCPUs, and what a host does to its memory, by ioctls alone: faults on demand and two at once, huge
// pages, a dirty log that begins, is read and ends, pages that are dropped and protected, a slot that comes and goes. With FILE it ends
// the recording before that goes, makes the file and stands still.
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kPage = 4096, kHuge = 2 << 20, kMemory = 48 << 20, kEntry = 0x2000, kFirst = 4 << 20, kSecond = 12 << 20, kFar = 256 << 20 };

// 32 bits, flat, no paging: esi is an address, ecx counts pages, edx is the way to the next one, edi says whether to write.
static const uint8_t kGuest[] = {
    0x83, 0xff, 0x00,       // loop: cmp edi, 0
    0x75, 0x04,             //       jne write
    0x8b, 0x06,             //       mov eax, [esi]
    0xeb, 0x02,             //       jmp next
    0x89, 0x0e,             // write: mov [esi], ecx
    0x01, 0xd6,             // next: add esi, edx
    0x83, 0xe9, 0x01,       //       sub ecx, 1
    0x75, 0xee,             //       jnz loop
    0xf4,                   //       hlt
};

static int vm, vcpus[2];
static struct kvm_run *runs[2];
static char *memory;

static void must(long result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static void slot(unsigned id, uint64_t gpa, uint64_t size, unsigned flags, void *host) {
    struct kvm_userspace_memory_region region = {
        .slot = id, .flags = flags, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = (uintptr_t)host};
    must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

static void touch(int vcpu, uint32_t address, uint32_t pages, uint32_t stride, int write) {
    struct kvm_regs regs = {.rip = kEntry, .rflags = 2, .rsi = address, .rcx = pages, .rdx = stride, .rdi = (unsigned)write};
    must(ioctl(vcpus[vcpu], KVM_SET_REGS, &regs), "KVM_SET_REGS");
    do
        must(ioctl(vcpus[vcpu], KVM_RUN, 0), "KVM_RUN");
    while (runs[vcpu]->exit_reason == KVM_EXIT_INTR);
    if (runs[vcpu]->exit_reason != KVM_EXIT_HLT) {
        fprintf(stderr, "exit %u\n", runs[vcpu]->exit_reason);
        exit(1);
    }
}

static void standStill(const char *file) {
    const int tracing = open("/sys/kernel/tracing/tracing_on", O_WRONLY);
    must(tracing < 0 ? -1 : (long)write(tracing, "0", 1), "tracing_on");
    const int made = open(file, O_CREAT | O_WRONLY, 0644);
    must(made, file);
    pause();
}

static void *beside(void *pages) {
    touch(1, kSecond, (uint32_t)(uintptr_t)pages, kPage, 1);
    return NULL;
}

static void makeVcpu(int n, int size) {
    vcpus[n] = ioctl(vm, KVM_CREATE_VCPU, n);
    must(vcpus[n], "KVM_CREATE_VCPU");
    runs[n] = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpus[n], 0);
    struct kvm_sregs sregs;
    must(ioctl(vcpus[n], KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    struct kvm_segment flat = {.limit = ~0u, .selector = 8, .type = 11, .present = 1, .s = 1, .db = 1, .g = 1};
    sregs.cs = flat;
    flat.selector = 16;
    flat.type = 3;
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
    sregs.cr0 |= 1;
    must(ioctl(vcpus[n], KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

int main(int argc, char **argv) {
    const uint32_t pages = argc > 1 ? (uint32_t)atoi(argv[1]) : 64;
    const int kvm = open("/dev/kvm", O_RDWR);
    must(kvm, "/dev/kvm");
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    must(vm, "KVM_CREATE_VM");
    char *room = mmap(NULL, kMemory + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory = (char *)(((uintptr_t)room + kHuge - 1) & ~(uintptr_t)(kHuge - 1));
    madvise(memory, kMemory, MADV_HUGEPAGE);
    slot(0, 0, kMemory, 0, memory);
    memcpy(memory + kEntry, kGuest, sizeof kGuest);
    const int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    for (int n = 0; n < 2; ++n)
        makeVcpu(n, size);

    touch(0, kFirst, pages, kPage, 0);
    touch(0, kFirst, pages, kPage, 1);
    touch(0, 32 << 20, 4, kHuge, 1);
    pthread_t other;
    pthread_create(&other, NULL, beside, (void *)(uintptr_t)pages);
    touch(0, kSecond, pages, kPage, 1);
    pthread_join(other, NULL);

    slot(0, 0, kMemory, KVM_MEM_LOG_DIRTY_PAGES, memory);
    void *bitmap = calloc(kMemory / kPage / 8, 1);
    for (int round = 0; round < 2; ++round) {
        touch(0, kFirst, pages, kPage, 1);
        struct kvm_dirty_log log = {.slot = 0, .dirty_bitmap = bitmap};
        must(ioctl(vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
    }
    slot(0, 0, kMemory, 0, memory);
    touch(0, kFirst, pages, kPage, 1);

    madvise(memory + kFirst, pages * (size_t)kPage, MADV_DONTNEED);
    touch(0, kFirst, pages / 2, kPage, 1);
    mprotect(memory + kSecond, kHuge, PROT_READ);
    touch(0, kSecond, pages / 4, kPage, 0);
    mprotect(memory + kSecond, kHuge, PROT_READ | PROT_WRITE);
    touch(0, kSecond, pages / 4, kPage, 1);

    void *more = mmap(NULL, kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    slot(1, kFar, kHuge, 0, more);
    touch(0, kFar, pages / 2, kPage, 1);
    if (argc > 2)
        standStill(argv[2]);
    slot(1, kFar, 0, 0, more);
    touch(0, kFirst, 8, kPage, 1);
    puts("done");
    return 0;
}
