#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the TDP MMU's tables of a VM, as its host has them now, as state JSON that `mirrorscope` opens.

  drgn kvm-snapshot.py                        of the host that runs; or drgn -c VMCORE -s VMLINUX -s KVM.KO kvm-snapshot.py
  kvm-snapshot.py --live                      the same without debug symbols: /proc/kcore, /proc/kallsyms and the kernel's BTF
  kvm-snapshot.py --gdb HOST:PORT --kernel FOLDER    of a host in QEMU, by its gdbstub (or a socket's PATH); it stands still meanwhile. FOLDER has copies of the
                                              host's /proc/kallsyms and of /sys/kernel/btf/vmlinux and kvm
  options: --pid PID of the VM's user space (where there are several VMs), -o FILE (else standard output)

Read are the roots in kvm->arch.tdp_mmu_roots, each kvm_mmu_page's role, and the tables below (Linux v6.12 and later). Tables of a running
host change while they are read: what hangs together only where the VM stands still. A TD's secure EPT and PAMT are encrypted for the
host, and are not read.
"""
import argparse
import datetime
import json
import os
import socket
import struct
import sys

# spte.h: SPTE_MMU_PRESENT_MASK, PT_PAGE_SIZE_MASK, SHADOW_NONPRESENT_VALUE, FROZEN_SPTE
PRESENT, LARGE, NONPRESENT = 1 << 11, 1 << 7, 1 << 63
FROZEN = 0x5A0 | NONPRESENT
FRAME = ((1 << 52) - 1) & ~0xFFF
MOST_TABLES = 4 << 20


class Refused(Exception):
    pass


class Btf:
    """Offsets of members, from the types that the kernel carries (Documentation/bpf/btf.rst)."""

    EXTRA = {1: 4, 3: 12, 14: 4, 17: 4}  # bytes after the 12 of a type: INT, ARRAY, VAR, DECL_TAG
    EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}  # and for each of vlen: STRUCT, UNION, ENUM, FUNC_PROTO, DATASEC, ENUM64

    def __init__(self, data, base=None):
        if len(data) < 24 or data[:2] != b"\x9f\xeb":
            raise Refused("this is no BTF")
        header, types, types_len, strings, strings_len = struct.unpack_from("<IIIII", data, 4)
        self.strings = (base.strings if base else b"") + data[header + strings : header + strings + strings_len]
        self.types = list(base.types) if base else [None]
        at, end = header + types, header + types + types_len
        while at + 12 <= end:
            name, info, size = struct.unpack_from("<III", data, at)
            kind, vlen = info >> 24 & 0x1F, info & 0xFFFF
            length = self.EXTRA.get(kind, 0) + self.EACH.get(kind, 0) * vlen
            self.types.append((name, kind, info >> 31, vlen, size, data[at + 12 : at + 12 + length]))
            at += 12 + length

    def name(self, at):
        return self.strings[at : self.strings.index(b"\0", at)].decode()

    def named(self, name):
        for i in range(len(self.types) - 1, 0, -1):
            if self.types[i][1] in (4, 5) and self.types[i][3] and self.name(self.types[i][0]) == name:
                return i
        raise Refused(f"the kernel's BTF has no {name}")

    def resolve(self, i):
        while self.types[i][1] in (8, 9, 10, 11, 18):  # typedefs, const and the like
            i = self.types[i][4]
        return i

    def member(self, i, path):
        """Bit offset and bit width (0: whole) of a.b.c in that type; members of unnamed ones count as its own."""
        first, _, rest = path.partition(".")
        i = self.resolve(i)
        _, kind, flag, vlen, _, data = self.types[i]
        if kind not in (4, 5):
            return None
        for k in range(vlen):
            name, of, offset = struct.unpack_from("<III", data, 12 * k)
            width, offset = (offset >> 24, offset & 0xFFFFFF) if flag else (0, offset)
            label = self.name(name)
            found = self.member(of, path) if not label else None
            if label == first:
                found = self.member(of, rest) if rest else (0, width)
                width = 0
            if found:
                return offset + found[0], found[1]
        return None


class Kernel:
    """What the walk asks for: memory by virtual address, symbols, members."""

    def read(self, address, size):
        raise NotImplementedError

    def symbol(self, name):
        raise NotImplementedError

    def member(self, struct_name, path):
        raise NotImplementedError

    def word(self, address, size=8):
        return int.from_bytes(self.read(address, size), "little")

    def get(self, struct_name, address, path, size=8):
        offset, width = self.member(struct_name, path)
        if not width:
            return self.word(address + offset // 8, size)
        return self.word(address + offset // 64 * 8) >> offset % 64 & (1 << width) - 1

    def has(self, struct_name, path):
        try:
            return self.member(struct_name, path) is not None
        except Refused:
            return False

    def text(self, address):
        data = b""
        while b"\0" not in data and len(data) < 64:
            data += self.read(address + len(data), 8)
        return data.split(b"\0")[0].decode(errors="replace")


class WithBtf(Kernel):
    def __init__(self, kallsyms, vmlinux, kvm):
        self.symbols = {}
        wanted = {"vm_list", "page_offset_base", "kvm_x86_ops", "init_uts_ns"}
        with open(kallsyms) as lines:
            for line in lines:
                parts = line.split()
                if len(parts) >= 3 and parts[2] in wanted:
                    self.symbols.setdefault(parts[2], int(parts[0], 16))
        if not self.symbols.get("vm_list"):
            raise Refused(f"{kallsyms} tells no address of vm_list: kvm is not loaded, or the reader is not root")
        with open(vmlinux, "rb") as f:
            self.btf = Btf(f.read())
        if kvm and os.path.exists(kvm):
            with open(kvm, "rb") as f:
                self.btf = Btf(f.read(), self.btf)
        self.known = {}

    def symbol(self, name):
        if name not in self.symbols:
            raise Refused(f"the kernel has no symbol {name}")
        return self.symbols[name]

    def member(self, struct_name, path):
        key = struct_name, path
        if key not in self.known:
            self.known[key] = self.btf.member(self.btf.named(struct_name), path)
            if self.known[key] is None:
                raise Refused(f"{struct_name} of this kernel has no {path}")
        return self.known[key]


class Live(WithBtf):
    by = "/proc/kcore"

    def __init__(self):
        super().__init__("/proc/kallsyms", "/sys/kernel/btf/vmlinux", "/sys/kernel/btf/kvm")
        self.core = open("/proc/kcore", "rb", buffering=0)
        header = self.core.read(64)
        phoff, phnum = struct.unpack_from("<Q", header, 32)[0], struct.unpack_from("<H", header, 56)[0]
        self.core.seek(phoff)
        self.segments = []
        for _ in range(phnum):
            kind, _, offset, virtual, _, size, _, _ = struct.unpack("<IIQQQQQQ", self.core.read(56))
            if kind == 1:
                self.segments.append((virtual, size, offset))

    def read(self, address, size):
        for virtual, length, offset in self.segments:
            if virtual <= address < virtual + length:
                self.core.seek(offset + address - virtual)
                data = self.core.read(size)
                if len(data) == size:
                    return data
        raise Refused(f"no memory at {address:#x}")


class Gdb(WithBtf):
    by = "gdbstub"

    def __init__(self, where, folder):
        super().__init__(*(os.path.join(folder, name) for name in ("kallsyms", "vmlinux", "kvm")))
        if "/" in where:
            self.stub = socket.socket(socket.AF_UNIX)
            self.stub.settimeout(20)
            self.stub.connect(where)
        else:
            host, _, port = where.rpartition(":")
            self.stub = socket.create_connection((host or "localhost", int(port)), timeout=20)
        self.stream = self.stub.makefile("rb")
        answer = self.ask("qSupported")
        while answer.startswith("T"):  # it says by itself that it has stopped
            answer = self.answer()
        # A CPU in whose address space the kernel's memory is: not one that runs a guest of its own.
        threads = self.ask("qfThreadInfo")
        while threads.startswith("m"):
            for thread in threads[1:].split(","):
                if self.ask("Hg" + thread) == "OK" and not self.ask(f"m{self.symbol('page_offset_base'):x},8").startswith("E"):
                    return
            threads = self.ask("qsThreadInfo")
        self.close()
        raise Refused("no CPU stands where the kernel's memory can be read; try again")

    def ask(self, command):
        self.stub.sendall(f"${command}#{sum(command.encode()) & 255:02x}".encode())
        return self.answer()

    def answer(self):
        while True:
            byte = self.stream.read(1)
            if not byte:
                raise Refused("the gdbstub hung up")
            if byte == b"$":
                break
        data = b""
        while (byte := self.stream.read(1)) not in (b"#", b""):
            data += byte
        self.stream.read(2)
        self.stub.sendall(b"+")
        return data.decode()

    def read(self, address, size):
        data = b""
        while len(data) < size:
            answer = self.ask(f"m{address + len(data):x},{min(size - len(data), 1024):x}")
            if answer.startswith("E") or not answer:
                raise Refused(f"no memory at {address:#x}")
            data += bytes.fromhex(answer)
        return data

    def close(self):
        self.ask("D")  # it goes on


class Drgn(Kernel):
    by = "drgn"

    def __init__(self, prog):
        from drgn import FaultError

        self.prog, self.fault = prog, FaultError
        try:
            prog.type("struct kvm_mmu_page")
            prog.type("struct module")
        except LookupError:
            raise Refused("drgn has no debug symbols of this kernel's kvm (package linux-image-…-dbg; or try --live)") from None

    def read(self, address, size):
        try:
            return self.prog.read(address, size)
        except self.fault as reason:
            raise Refused(f"no memory at {address:#x} ({reason})") from None

    def symbol(self, name):
        if name in ("page_offset_base", "init_uts_ns"):
            return self.prog[name].address_of_().value_()
        # By the module's own table: drgn 0.0.22 does not find the modules of v6.4 and later.
        from drgn.helpers.linux.list import list_for_each_entry

        try:
            for module in list_for_each_entry("struct module", self.prog["modules"].address_of_(), "list"):
                if module.name.string_() != b"kvm":
                    continue
                table = module.kallsyms[0]
                whole = b"\0" + name.encode() + b"\0"
                symbols = self.read(table.symtab.value_(), 24 * table.num_symtab.value_())
                for at, value in struct.iter_unpack("<I4xQ8x", symbols):
                    if at != 0 and self.read(table.strtab.value_() + at - 1, len(whole)) == whole:
                        return value
        except self.fault as reason:
            raise Refused(f"the list of modules cannot be read ({reason})") from None
        raise Refused(f"no module kvm with a symbol {name} is loaded")

    def member(self, struct_name, path):
        def look(of, path):
            first, _, rest = path.partition(".")
            while of.kind.name == "TYPEDEF":
                of = of.type
            for m in getattr(of, "members", None) or []:
                width = m.bit_field_size or 0
                found = look(m.type, path) if not m.name else None
                if m.name == first:
                    found = look(m.type, rest) if rest else (0, width)
                if found:
                    return m.bit_offset + found[0], found[1]
            return None

        found = look(self.prog.type("struct " + struct_name), path)
        if not found:
            raise Refused(f"{struct_name} of this kernel has no {path}")
        return found


def listed(kernel, head, struct_name, link):
    """The structures in a list, by the address of its head."""
    offset = kernel.member(struct_name, link)[0] // 8
    at = kernel.word(head)
    for _ in range(100000):
        if at == head:
            return
        yield at - offset
        at = kernel.word(at)
    raise Refused("a list has no end: the VM changes while it is read")


def role(kernel, page, field):
    return kernel.get("kvm_mmu_page", page, "role." + field)


def tables(kernel, page, root, entries, directory, alias):
    """The entries of a root that hold something, a table before what it holds."""
    read = [0]

    def walk(data, level, base):
        read[0] += 1
        if read[0] > MOST_TABLES:
            raise Refused("more tables than are read")
        for i, raw in enumerate(struct.unpack("<512Q", data)):
            if raw in (0, NONPRESENT):
                continue
            gfn = base + (i << 9 * (level - 1))
            leads = raw & PRESENT and level > 1 and not raw & LARGE
            state = "table" if leads else "leaf" if raw & PRESENT else "frozen" if raw == FROZEN else "mmio"
            pfn = (raw & FRAME) >> 12 if raw & PRESENT else None
            entries.append({"root": root, "gfn": gfn & ~alias, "level": level, "raw": f"{raw:#018x}", "is": state, "pfn": pfn})
            if leads:
                walk(kernel.read(directory + (raw & FRAME), 4096), level - 1, gfn)

    spt = kernel.get("kvm_mmu_page", page, "spt")
    walk(kernel.read(spt, 4096), role(kernel, page, "level"), 0)


def snapshot(kernel, pid):
    vms = list(listed(kernel, kernel.symbol("vm_list"), "kvm", "vm_list"))
    pids = [kernel.get("kvm", vm, "userspace_pid", 4) for vm in vms]
    if not vms:
        raise Refused("no VM runs on that host")
    if pid is None and len(vms) > 1:
        raise Refused("several VMs: --pid " + ", ".join(map(str, sorted(pids))))
    if pid is not None and pid not in pids:
        raise Refused(f"no VM is that of process {pid}; there are " + ", ".join(map(str, sorted(pids))))
    vm = vms[pids.index(pid)] if pid is not None else vms[0]
    directory = kernel.word(kernel.symbol("page_offset_base"))
    vendor = kernel.text(kernel.get("kvm_x86_ops", kernel.symbol("kvm_x86_ops"), "name"))
    alias = kernel.get("kvm", vm, "arch.gfn_direct_bits") if kernel.has("kvm", "arch.gfn_direct_bits") else 0
    mirrors = kernel.has("kvm_mmu_page", "role.is_mirror")
    roots, direct, mirror = [], [], []
    offset = kernel.member("kvm", "arch.tdp_mmu_roots")[0] // 8
    for page in listed(kernel, vm + offset, "kvm_mmu_page", "link"):
        is_mirror = bool(mirrors and role(kernel, page, "is_mirror"))
        pfn = kernel.get("kvm_mmu_page", page, "spt") - directory >> 12
        level = role(kernel, page, "level")
        root = {"tree": "mirror" if is_mirror else "direct", "pfn": pfn, "level": level}
        root["count"] = kernel.get("kvm_mmu_page", page, "tdp_mmu_root_count", 4)
        root["invalid"] = bool(role(kernel, page, "invalid"))
        if role(kernel, page, "smm"):
            root["smm"] = True
        roots.append(root)
        tables(kernel, page, pfn, mirror if is_mirror else direct, directory, 0 if is_mirror else alias)
    release = kernel.text(kernel.symbol("init_uts_ns") + kernel.member("uts_namespace", "name.release")[0] // 8)
    machine = {"recorded": "EPT" if "intel" in vendor else "NPT"}
    trees = {"direct": direct}
    if mirror or any(root["tree"] == "mirror" for root in roots):
        trees["mirror"] = mirror
    return {
        "position": 0,
        "file": "",
        "snapshot": {
            "kernel": release,
            "vendor": vendor,
            "by": kernel.by,
            "pid": kernel.get("kvm", vm, "userspace_pid", 4),
            "vcpus": kernel.get("kvm", vm, "created_vcpus", 4),
            "taken": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC"),
        },
        "machine": machine,
        "trees": trees,
        "roots": roots,
        # What else a state tells, and a snapshot does not know.
        **{"tlb": {}, "pamt": [], "rmp": [], "locks": [], "counts": {}, "violations": []},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--gdb", metavar="HOST:PORT")
    parser.add_argument("--kernel", metavar="FOLDER")
    parser.add_argument("--pid", type=int)
    parser.add_argument("-o", "--output", metavar="FILE")
    args = parser.parse_args()
    try:
        if args.gdb:
            if not args.kernel:
                raise Refused("--gdb needs --kernel FOLDER with kallsyms, vmlinux and kvm")
            kernel = Gdb(args.gdb, args.kernel)
        elif args.live:
            kernel = Live()
        elif "prog" in globals():
            kernel = Drgn(globals()["prog"])
        else:
            raise Refused("run it by drgn, or with --live or --gdb; --help says more")
        state = snapshot(kernel, args.pid)
        if args.gdb:
            kernel.close()
    except (Refused, OSError, ValueError, struct.error) as reason:
        print(f"kvm-snapshot: {reason}", file=sys.stderr)
        sys.exit(2)
    text = json.dumps(state, separators=(",", ":")) + "\n"
    if args.output:
        beside = args.output + ".part"
        with open(beside, "w") as f:
            f.write(text)
        os.replace(beside, args.output)
    else:
        sys.stdout.write(text)
    count = sum(len(tree) for tree in state["trees"].values())
    print(f"kvm-snapshot: {len(state['roots'])} roots, {count} entries of process {state['snapshot']['pid']}", file=sys.stderr)


if __name__ == "__main__":
    main()
