// SPDX-License-Identifier: GPL-3.0-or-later
// Unusable input: one line with the place, the word and what was probably meant; never a crash, whatever the bytes.
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <random>

namespace mirrorscope::test {

namespace {
std::string errorOf(const std::string& text) {
    try {
        bindScenario("f.yaml", text);
    } catch (const InputError& error) {
        return error.what();
    }
    return "";
}
const std::string kHead = "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 32M}]}\nscript:\n";

struct Unusable {
    std::string text;
    const char* place;
    const char* says;
};
} // namespace

TEST(Errors, name_the_place_the_word_and_what_was_meant) {
    const std::vector<Unusable> cases{
        {"", "f.yaml:1:1:", "empty"},
        {"mirrorscope: 2\n", "f.yaml:1:14:", "2"},
        {"title: x\n", "f.yaml:1:1:", "mirrorscope"},
        {"mirrorscope: 1\ntitel: x\n", "f.yaml:2:1:", "title"},
        {"mirrorscope: 1\nmirrorscope: 1\n", "f.yaml:2:1:", "mirrorscope"},
        {"mirrorscope: 1\nmachine: {vm: tdz}\n", "f.yaml:2:15:", "tdx"},
        {"mirrorscope: 1\nmachine: {vcpu: 1}\n", "f.yaml:2:11:", "vcpus"},
        {"mirrorscope: 1\nvariants: [a]\nscript: []\n", "f.yaml:2:11:", "mapping"},
        {"mirrorscope: 1\nvariants: {a: {machin: {}}}\nscript: []\n", "f.yaml:2:16:", "machine"},
        {"mirrorscope: 1\nvariants: {a: {machine: 3}}\nscript: []\n", "f.yaml:2:25:", "mapping"},
        {"mirrorscope: 1\nmachine: {vcpus: 0}\n", "f.yaml:2:18:", "1..256"},
        {"mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 1, size: 4K}]}\n", "f.yaml:2:32:", "page"},
        {"mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 0, size: 8K}, {id: 1, gpa: 4K, size: 4K}]}\n", "f.yaml:2:59:", "overlap"},
        {"mirrorscope: 1\nmachine: {break: [no-freez]}\n", "f.yaml:2:19:", "no-freeze"},
        {"mirrorscope: 1\nmachine: {kernel: 6.17}\n", "f.yaml:2:19:", "6.16"},
        {"mirrorscope: 1\nmachine: {manual-dirty-log: enabled}\n", "f.yaml:2:29:", "enable"},
        {"mirrorscope: 1\nmachine: {vm: tdx, slot-zap-all: false}\n", "f.yaml:2:34:", "default"},
        {"mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 0, size: 4K, gmem-offset: 4K}]}\n", "f.yaml:2:58:", "gmem"},
        {kHead + "  - init-mem-region: {gpa: 0, size: 4K, content: {file: nosuch.bin}}\n", "f.yaml:4:57:", "`nosuch.bin` cannot be read"},
        {kHead + "  - include: nosuch.yaml\n", "f.yaml:4:14:", "`nosuch.yaml` cannot be read"},
        {kHead + "  - init-mem-region: {gpa: 0, size: 4K, content: {file: ../nosuch.bin}}\n", "f.yaml:4:57:", "leads outside"},
        {kHead + "  - inject: {host-fault: EFAUL}\n", "f.yaml:4:26:", "EFAULT"},
        {kHead + "  - inject: {alloc: fail, host-fault: EFAULT}\n", "f.yaml:4:5:", "one of"},
        {kHead + "  - inject: {rmpupdate: FAIL_INUSE}\n", "f.yaml:4:5:", "SNP"},
        {kHead + "  - mprotect: {gpa: 0, prot: reed}\n", "f.yaml:4:30:", "read"},
        {kHead + "  - gmem: {file: a, do: allocate}\n", "f.yaml:4:18:", "nobody makes"},
        {kHead + "  - gmem: {file: a, do: mmap, offset: 0}\n", "f.yaml:4:5:", "offset"},
        {kHead + "  - gmem: {file: a, do: create, foreign: true}\n  - gmem: {file: a, do: allocate}\n", "f.yaml:5:5:", "bound"},
        {kHead + "  - gmem: {file: \"\", do: create}\n", "f.yaml:4:18:", "name"},
        {kHead + "  - delete-memory-region: {id: 4294967296}\n", "f.yaml:4:32:", "32 bits"},
        {"mirrorscope: 1\nmachine: {vm: sw-protected}\nscript:\n  - delete-memory-region: {id: 0, as-id: 1}\n", "f.yaml:4:5:", "SMM"},
        {"mirrorscope: 1\nmachine: {vm: default}\nscript:\n  - delete-memory-region: {id: 0, as-id: 2}\n", "f.yaml:4:5:", "as-id"},
        {"mirrorscope: 1\nmachine: {vm: sw-protected, slots: [{id: 0, as-id: 1, gpa: 0, size: 4K}]}\n", "f.yaml:2:52:", "SMM"},
        {"mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 0, size: 4K, memory-offset: 4K}]}\n", "f.yaml:2:60:", "memory"},
        {"mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 2M, backing: 2M, memory: a}]}\n", "f.yaml:2:79:", "4K"},
        {"mirrorscope: 1\nmachine: {vm: default, dirty-ring: 1000}\n", "f.yaml:2:36:", "power of two"},
        {"mirrorscope: 1\nmachine: {vm: default, dirty-ring: 512}\n", "f.yaml:2:36:", "1024"},
        {"mirrorscope: 1\nmachine: {vm: default}\nscript:\n  - dirty-ring: {do: collect}\n", "f.yaml:4:5:", "no ring"},
        {"mirrorscope: 1\nmachine: {vm: default, dirty-ring: 1024}\nscript:\n  - dirty-ring: {do: reset, vcpu: 0}\n",
         "f.yaml:4:5:", "all rings"},
        {"mirrorscope: 1\nmachine: {vm: default}\nscript:\n  - userfaultfd: {gpa: 0, do: register, value: 1}\n", "f.yaml:4:5:", "copy"},
        {kHead + "  - snp-launch-start: {}\n", "f.yaml:4:5:", "SNP"},
        {"mirrorscope: 1\nmachine: {vm: snp}\nscript:\n  - snp-launch-update: {gpa: 0, type: zeros}\n", "f.yaml:4:39:", "zero"},
        {"mirrorscope: 1\nmachine: {vm: snp}\nscript:\n  - snp-launch-update: {gpa: 0, type: zero, content: 1}\n",
         "f.yaml:4:5:", "no content"},
        {"mirrorscope: 1\nmachine: {vm: snp}\nscript:\n  - vcpu0: {read: {gpa: 0, smm: true}}\n", "f.yaml:4:13:", "SMM"},
        {"mirrorscope: 1\nmachine: {vm: snp}\nscript: []\nexpect: [{tree: direct, gpa: 0, is: none, smm: true}]\n", "f.yaml:4:48:", "SMM"},
        {kHead + "  - dirty-log: {id: 0, do: get, mask: 1}\n", "f.yaml:4:5:", "mask"},
        {kHead + "  - expect: {result: a, field: flag, value: 1}\n", "f.yaml:4:32:", "flags"},
        {kHead + "  - expect: {result: a, register: RXC, value: 1}\n", "f.yaml:4:35:", "RCX"},
        {kHead + "  - expect: {result: a, field: flags}\n", "f.yaml:4:32:", "value"},
        {kHead + "  - expect: {result: a, errno: EFAUL}\n", "f.yaml:4:32:", "EFAULT"},
        {kHead + "  - punch-hol: {gpa: 0}\n", "f.yaml:4:5:", "punch-hole"},
        {kHead + "  - vcpu2: {read: 0}\n", "f.yaml:4:5:", "vcpu1"},
        {kHead + "  - read: 0\n", "f.yaml:4:5:", "vcpu0"},
        {kHead + "  - vcpu0: {raed: 0}\n", "f.yaml:4:13:", "read"},
        {kHead + "  - vcpu0: {read: {gpo: 0}}\n", "f.yaml:4:20:", "gpa"},
        {kHead + "  - vcpu0: {read: {gpa: zero}}\n", "f.yaml:4:25:", "zero"},
        {kHead + "  - vcpu0: {read: {gpa: 0, as: privat}}\n", "f.yaml:4:32:", "private"},
        {kHead + "  - vcpu0: {read: 0x1000000000000}\n", "f.yaml:4:", "width"},
        {kHead + "  - seamcall: {leaf: TDH.MEM.PAGE.AUGG}\n", "f.yaml:4:22:", "TDH.MEM.PAGE.AUG"},
        {kHead + "  - seamcall: {leaf: TDH.MEM.PAGE.AUG, gpo: 0}\n", "f.yaml:4:40:", "gpa"},
        {kHead + "  - inject: {seamcall: TDH.MEM.TRACK, status: TDX_OPERAND_BUSSY}\n", "f.yaml:4:47:", "OPERAND_BUSY"},
        {kHead + "  - expect: {tree: miror, gpa: 0, is: none}\n", "f.yaml:4:20:", "mirror"},
        {kHead + "  - expect: {tree: mirror, gpa: 0, is: leef}\n", "f.yaml:4:40:", "leaf"},
        {kHead + "  - expect: {result: nobody, is: ok}\n", "f.yaml:4:22:", "nobody"},
        {kHead + "  - expect: {count: TDH.MEM.TRAK, is: 1}\n", "f.yaml:4:21:", "TDH.MEM.TRACK"},
        {kHead + "  - expect: {violation: coherant}\n", "f.yaml:4:25:", "coherent"},
        {kHead + "  - race: {vcpu0: [{read: 0}]}\n    schedule: [{vcpu1: done}]\n", "f.yaml:5:17:", "vcpu1"},
        {kHead + "  - race: {vcpu0: [{read: 0}]}\n    schedule: [{vcpu0: until spte.frezze}]\n", "f.yaml:5:24:", "spte.freeze"},
        {kHead + "  - race: {vcpu0: [{race: {vcpu1: []}}]}\n", "f.yaml:4:21:", "race"},
        {kHead + "  - note: &a hello\n", "f.yaml:4:", "anchor"},
        {kHead + "  - note: !x hello\n", "f.yaml:4:", "tag"},
        {kHead + "  - note: a\n---\nb: 1\n", "f.yaml:6:", "document"},
        {kHead + "  - include: ../../etc/passwd\n", "f.yaml:4:14:", "outside"},
        {kHead + "  - init-mem-region: {gpa: 0, content: 256}\n", "f.yaml:4:40:", "byte"},
        {kHead + "  - init-mem-region: {gpa: 0, content: '0g'}\n", "f.yaml:4:40:", "hex"},
        {"mirrorscope: 1\nscript: [\n", "f.yaml:", ""},
    };
    for (const Unusable& c : cases) {
        const std::string error = errorOf(c.text);
        EXPECT_TRUE(error.starts_with(c.place)) << c.text << "\n" << error;
        EXPECT_NE(error.find(c.says), std::string::npos) << c.text << "\n" << error;
        EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    }
}

TEST(Errors, random_bytes_and_broken_scenarios_never_crash_the_reader) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::vector<std::string> corpus;
    for (const auto& file : shippedScenarios())
        corpus.push_back(readFile(file.string()));
    const std::string odd = "{}[]:,-#&*!|>'\"%@`\t\n \\\x01\xff\xc3";
    for (unsigned n = 0; n < 3000; ++n) {
        std::string text = corpus[random() % corpus.size()];
        for (u64 k = 1 + random() % 6; k > 0 && !text.empty(); --k) {
            const std::size_t at = random() % text.size();
            switch (random() % 4) {
            case 0: text[at] = odd[random() % odd.size()]; break;
            case 1: text.erase(at, random() % 40); break;
            case 2: {
                const char c = odd[random() % odd.size()];
                text.insert(at, 1 + random() % 3, c);
                break;
            }
            case 3: {
                const std::size_t length = random() % 60;
                text.insert(at, text.substr(random() % text.size(), length));
                break;
            }
            }
        }
        try {
            bindScenario("f.yaml", text);
        } catch (const InputError& error) {
            EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        }
    }
    for (unsigned n = 0; n < 2000; ++n) {
        std::string text(random() % 300, ' ');
        for (char& c : text)
            c = static_cast<char>(random());
        EXPECT_THROW(bindScenario("f.yaml", text), InputError);
    }
}

} // namespace mirrorscope::test
