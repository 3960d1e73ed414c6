// SPDX-License-Identifier: GPL-3.0-or-later
#include "race_maker.h"

#include "explore/plain.h"
#include "explore/together.h"
#include "scenario/diagnostic.h"
#include "scenario/scenario.h"
#include "support/threads.h"

#include <fmt/format.h>

#include <array>
#include <random>
#include <set>

namespace mirrorscope::test {

std::string RandomRace::text() const {
    std::string out = "mirrorscope: 1\nmachine: {" + machine + "}\nscript:\n";
    for (const std::string& step : before)
        out += "  - " + step + "\n";
    out += "  - race:\n";
    for (const auto& [actor, steps] : actors) {
        out += "      " + actor + ": [";
        for (std::size_t i = 0; i < steps.size(); ++i)
            out += (i == 0 ? "" : ", ") + steps[i];
        out += "]\n";
    }
    return out + after;
}

RandomRace onLaterKernel(const RandomRace& race, u64 which) {
    constexpr std::array<const char*, 10> kLater{"6.19",
                                                 "7.2",
                                                 "next",
                                                 "7.2, features: [private-2M]",
                                                 "next, features: [dynamic-pamt]",
                                                 "next, features: [in-place-conversion]",
                                                 "next, features: [private-2M, dynamic-pamt]",
                                                 "next, features: [private-2M, in-place-conversion]",
                                                 "next, features: [private-2M, dynamic-pamt, in-place-conversion]",
                                                 "7.2, module: \"2.0\""};
    RandomRace later = race;
    const std::size_t at = race.machine.find("kernel: \""), end = race.machine.find('"', at + 9);
    const std::string chosen = kLater[which % kLater.size()];
    const std::size_t name = chosen.find(',');
    later.machine = race.machine.substr(0, at) + "kernel: \"" + chosen.substr(0, name) + "\"" +
                    (name == std::string::npos ? "" : chosen.substr(name)) + race.machine.substr(end + 1);
    try {
        bindScenario("random.yaml", later.text());
        return later;
    } catch (const InputError&) {
        return race;
    }
}

namespace {
class RaceMaker {
public:
    explicit RaceMaker(u64 seed) : random_(seed) {}

    RandomRace make() {
        constexpr const char* vms[] = {"default", "sw-protected", "snp", "tdx"};
        vm_ = below(3) == 0 ? 3 : below(4);
        vcpus_ = 2 + below(2);
        huge_ = below(4) == 0;
        race_.machine = fmt::format("vm: {}, vcpus: {}, kernel: \"{}\"", vms[vm_], vcpus_, below(2) == 0 ? "6.16" : "fixed");
        if (below(3) == 0) {
            constexpr const char* breaks[] = {"no-freeze",
                                              "no-rollback",
                                              "skip-block",
                                              "skip-track",
                                              "skip-kick",
                                              "skip-track-kick",
                                              "skip-flush",
                                              "free-without-rcu",
                                              "ignore-invalidate-seq",
                                              "leaf-before-link",
                                              "hook-before-children",
                                              "stay-frozen",
                                              "ignore-root-filter",
                                              "keep-invalid-root",
                                              "free-before-remove",
                                              "unmap-valid-roots-only",
                                              "next-after-restart",
                                              "nx-recovery-without-flush",
                                              "flush-from-the-last-gfn",
                                              "no-seq-barrier",
                                              "no-entry-barrier"};
            race_.machine += fmt::format(", break: [{}]", breaks[below(std::size(breaks))]);
        }
        if (below(4) == 0)
            race_.machine += ", yield: always";
        if (vm_ == 3 && below(3) == 0)
            race_.machine += ", ve-handler: none";
        if (vm_ == 3 && below(4) == 0)
            race_.machine += ", sept-ve-disable: false";
        if (vm_ != 3 && below(4) == 0)
            race_.machine += ", pml: false";
        if (vm_ == 0 && below(5) == 0)
            race_.machine += ", ad-bits: false";
        if (vm_ == 0 && below(4) == 0)
            race_.machine += below(2) == 0 ? ", manual-dirty-log: enable" : ", manual-dirty-log: initially-set";
        if (huge_ && below(2) == 0)
            race_.machine += ", nx-huge-pages: true";
        if (vm_ == 1)
            race_.machine += below(2) == 0 ? ", attributes: private" : "";
        dirtySlot_ = vm_ == 0 || below(3) == 0;
        smm_ = vm_ == 0 && !huge_ && below(3) == 0;
        ring_ = vm_ == 0 && below(4) == 0;
        if (ring_)
            race_.machine += ", dirty-ring: 1024";
        launches_ = vm_ == 2 && below(4) == 0;
        const bool noFile = vm_ != 0 && dirtySlot_ && below(2) == 0;
        named_ = vm_ != 0 && !noFile && below(3) == 0;
        race_.machine += fmt::format(", slots: [{{id: 0, gpa: 0, size: {}{}{}{}{}}}{}]", huge_ ? "2M" : "64K",
                                     huge_ && vm_ != 3 ? ", backing: 2M" : "", noFile ? ", private: false" : "", named_ ? ", gmem: f" : "",
                                     smm_    ? ", memory: m"
                                     : ring_ ? ", dirty-log: true"
                                             : "",
                                     smm_ ? ", {id: 0, as-id: 1, gpa: 4K, size: 64K, memory: m, memory-offset: 4K}" : "");
        setUp();
        const unsigned actors = below(4) == 0 ? 3 : 2;
        std::set<std::string> names;
        while (names.size() < actors) {
            const std::string name = below(2) == 0 ? fmt::format("vcpu{}", below(vcpus_)) : below(2) == 0 ? "host" : "host1";
            if (!names.insert(name).second)
                continue;
            std::vector<std::string> steps;
            const unsigned count = actors == 2 && below(3) == 0 ? 2 : 1;
            for (unsigned i = 0; i < count; ++i)
                steps.push_back(withId(name.starts_with("vcpu") ? guest() : host()));
            race_.actors.emplace_back(name, steps);
        }
        if (below(8) == 0)
            race_.actors.emplace_back(names.count("host2") == 0 ? "host2" : "host3", std::vector<std::string>{"note: nothing"});
        if (below(6) == 0)
            race_.machine += ", memory-model: tso";
        race_.after = "sometimes:\n  - {tree: direct, gpa: 0x1000, is: leaf}\n";
        if (ids_ != 0)
            race_.after += "  - {result: s0, is: ok}\n";
        return race_;
    }

private:
    // Two of these are never arguments of one call: in which order those are worked out is up to the compiler, and a seed names one race.
    unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }
    std::string page() { return fmt::format("{:#x}", 0x1000 * (1 + (below(3) == 0 ? 1 : 0))); }
    std::string withId(std::string step) {
        if (below(3) == 2)
            return step;
        if (step.front() != '{')
            step = "{" + step + (step.find(':') == std::string::npos ? ": {}" : "") + "}";
        step.pop_back();
        return step + fmt::format(", id: s{}}}", ids_++);
    }
    std::string alias() {
        if (vm_ < 2)
            return "";
        return below(3) == 0 ? ", as: shared" : "";
    }
    std::string guest() {
        const std::string gpa = page();
        if (smm_ && below(3) == 0)
            return fmt::format("{{{}: {{gpa: {}, smm: true}}}}", below(2) == 0 ? "read" : "write", gpa);
        switch (below(vm_ >= 2 ? 7 : 6)) {
        case 0:
        case 1: return fmt::format("{{read: {{gpa: {}{}}}}}", gpa, alias());
        case 2: {
            const unsigned value = 5 + below(3);
            return fmt::format("{{write: {{gpa: {}{}, value: {}}}}}", gpa, alias(), value);
        }
        case 3: return below(2) == 0 ? "{halt: {}}" : "{hypercall: {}}";
        case 4: return fmt::format("{{{}: {{gpa: {}}}}}", below(4) == 0 ? "evict" : "exec", gpa);
        case 5:
            if (vm_ == 0)
                return fmt::format("{{write: {{gpa: {}, value: 9}}}}", gpa);
            return fmt::format("{{map-gpa: {{gpa: {}, size: 4K, as: {}}}}}", gpa, below(2) == 0 ? "private" : "shared");
        default: return fmt::format("{{accept: {}}}", gpa);
        }
    }
    std::string host() {
        const std::string gpa = page();
        const std::string range = fmt::format("{{gpa: {}, size: {}}}", gpa, below(3) == 0 ? "8K" : "4K");
        while (true) {
            if (ring_ && below(4) == 0)
                return below(2) == 0 ? fmt::format("{{dirty-ring: {{do: collect, vcpu: {}}}}}", below(vcpus_))
                                     : "{dirty-ring: {do: reset}}";
            if (launches_ && below(4) == 0) {
                constexpr const char* launch[] = {"start: {}", "update: {gpa: 0x1000}", "finish: {}"};
                return fmt::format("{{snp-launch-{}}}", launch[below(3)]);
            }
            if (vm_ == 0 && !huge_ && below(8) == 0)
                return fmt::format("{{userfaultfd: {{gpa: {}, do: {}}}}}", gpa, below(2) == 0 ? "register" : "copy, value: 6");
            if (smm_ && below(8) == 0)
                return "{delete-memory-region: {id: 0, as-id: 1}}";
            switch (below(named_ ? 29 : 26)) {
            case 0:
            case 1: return "{discard: " + range + "}";
            case 2: return vm_ == 0 ? "{protect: " + range + "}" : "{punch-hole: " + range + "}";
            case 3: return vm_ == 0 ? "{migrate: " + range + "}" : "{punch-hole: " + range + "}";
            case 4: return "{age: " + range + "}";
            case 5: return fmt::format("{{pre-fault: {{vcpu: {}, gpa: {}, size: 4K}}}}", below(vcpus_), gpa);
            case 6:
                if (vm_ == 0)
                    continue;
                return fmt::format("{{set-memory-attributes: {{gpa: {}, size: 4K, as: {}}}}}", gpa, below(2) == 0 ? "private" : "shared");
            case 7: return "{zap-all: {}}";
            case 8: return "{delete-memory-region: {id: 0}}";
            case 9:
                return fmt::format("{{set-memory-region: {{id: 1, gpa: 4M, size: 64K{}}}}}",
                                   dirtySlot_ && vm_ == 0 ? ", dirty-log: true" : "");
            case 10:
            case 11: {
                constexpr const char* what[] = {"start", "stop", "get", "clear"};
                return fmt::format("{{dirty-log: {{id: 0, do: {}}}}}", what[below(4)]);
            }
            case 12: return huge_ ? "{split-huge-pages: {gpa: 0, size: 2M}}" : "{recover-nx-pages: {}}";
            case 13: return "{recover-huge-pages: {gpa: 0, size: 2M}}";
            case 14: return "{recover-nx-pages: {}}";
            case 15: return fmt::format("{{kernel: {{call: kvm_tdp_mmu_zap_leafs, gpa: {}}}}}", gpa);
            case 16: return fmt::format("{{kernel: {{call: kvm_zap_gfn_range, gpa: {}}}}}", gpa);
            case 17: return fmt::format("{{kernel: {{call: kvm_tdp_mmu_age_gfn_range, gpa: {}}}}}", gpa);
            case 18: {
                if (vm_ == 3)
                    return fmt::format("{{kernel: {{call: kvm_mmu_load, vcpu: {}}}}}", below(vcpus_));
                constexpr const char* calls[] = {"kvm_tdp_mmu_write_protect_gfn, gpa: 0x1000",
                                                 "kvm_tdp_mmu_clear_dirty_pt_masked, gpa: 0x1000, mask: 3",
                                                 "kvm_tdp_mmu_test_age_gfn, gpa: 0x1000", "kvm_tdp_mmu_unmap_gfn_range, gpa: 0x1000"};
                return fmt::format("{{kernel: {{call: {}}}}}", calls[below(4)]);
            }
            case 19:
                return fmt::format("{{kernel: {{call: kvm_mmu_do_page_fault, vcpu: {}, gpa: {}, access: write}}}}", below(vcpus_), gpa);
            case 20: {
                if (vm_ != 3)
                    continue;
                constexpr const char* leaves[] = {"TDH.MEM.TRACK", "TDH.MEM.RANGE.BLOCK, gpa: 0x1000", "TDH.MEM.RANGE.UNBLOCK, gpa: 0x1000",
                                                  "TDH.MEM.PAGE.REMOVE, gpa: 0x1000", "TDH.MEM.SEPT.RD, gpa: 0x1000"};
                return fmt::format("{{seamcall: {{leaf: {}}}}}", leaves[below(5)]);
            }
            case 21: return fmt::format("{{host-read: {{gpa: {}}}}}", gpa);
            case 22: return fmt::format("{{host-write: {{gpa: {}, value: {}}}}}", gpa, 5 + below(3));
            case 23: {
                constexpr const char* prots[] = {"read-write", "read", "none"};
                return fmt::format("{{mprotect: {{gpa: {}, prot: {}}}}}", gpa, prots[below(3)]);
            }
            case 26: return "{gmem: {file: f, do: close}}";
            case 27: return fmt::format("{{gmem: {{file: f, do: punch, offset: {}}}}}", gpa);
            case 28:
                return below(2) == 0 ? fmt::format("{{gmem: {{file: f, do: allocate, offset: {}}}}}", gpa)
                                     : fmt::format("{{set-memory-region: {{id: 1, gpa: 4M, size: 8K, gmem: f, gmem-offset: {}}}}}", gpa);
            case 24: {
                const bool ofRmp = vm_ == 2 && below(2) == 0;
                const unsigned after = below(2);
                if (ofRmp)
                    return fmt::format("{{inject: {{rmpupdate: {}, after: {}}}}}", below(2) == 0 ? "FAIL_INUSE" : "FAIL_OVERLAP", after);
                return fmt::format("{{inject: {{host-fault: {}, after: {}}}}}", below(2) == 0 ? "EFAULT" : "HWPOISON", after);
            }
            default:
                if (vm_ == 2)
                    return fmt::format("{{rmpupdate: {{gpa: {}, assigned: {}}}}}", gpa, below(2) == 0);
                if (vm_ == 3)
                    return fmt::format("{{inject: {{seamcall: TDH.MEM.PAGE.AUG, status: OPERAND_BUSY, after: {}}}}}", below(2));
                return fmt::format("{{inject: {{alloc: fail, after: {}}}}}", below(4));
            }
        }
    }
    void setUp() {
        auto& steps = race_.before;
        if (launches_ && below(4) != 0)
            steps.push_back("snp-launch-start: {}");
        if (launches_ && below(2) != 0)
            steps.push_back("snp-launch-finish: {}");
        if (vm_ == 3) {
            if (below(4) != 0)
                steps.push_back("init-mem-region: {gpa: 0, size: 8K, measure: false}");
            if (below(8) != 0)
                steps.push_back("finalize-vm");
        }
        for (unsigned n = below(4); n > 0; --n)
            switch (below(8)) {
            case 0:
            case 1:
            case 2: {
                const std::string does = guest();
                steps.push_back(fmt::format("vcpu{}: {}", below(vcpus_), does));
                break;
            }
            case 3: steps.push_back("zap-all"); break;
            case 4:
                if (vm_ == 0)
                    steps.push_back("dirty-log: {id: 0, do: start}");
                break;
            case 5:
                if (vm_ != 0) {
                    const char* as = below(2) == 0 ? "private" : "shared";
                    steps.push_back(fmt::format("set-memory-attributes: {{gpa: {}, size: 4K, as: {}}}", page(), as));
                }
                break;
            case 6: {
                const std::string gpa = page();
                steps.push_back(fmt::format("pre-fault: {{vcpu: {}, gpa: {}, size: 4K}}", below(vcpus_), gpa));
                break;
            }
            default: steps.push_back(fmt::format("vcpu0: {{write: {{gpa: {}, value: 3}}}}", page())); break;
            }
    }

    std::mt19937_64 random_;
    RandomRace race_;
    unsigned vm_ = 0, vcpus_ = 2, ids_ = 0;
    bool huge_ = false, dirtySlot_ = false, named_ = false, smm_ = false, ring_ = false, launches_ = false;
};
} // namespace

RandomRace randomRace(u64 seed) { return RaceMaker(seed).make(); }

Verdict verdictOf(const ExploreResult& result) {
    Verdict v;
    for (const ExploreEnd& end : result.ends)
        v.ends.emplace(end.hash, end.results);
    for (const ExploreFinding& f : result.findings)
        v.rules.insert(f.rule);
    for (const auto& s : result.sometimes)
        v.sometimes.push_back(s.second);
    v.executions = result.executions;
    v.states = result.states;
    v.complete = result.complete;
    return v;
}

namespace {
std::string difference(const char* a, const Verdict& x, const char* b, const Verdict& y) {
    std::string out;
    const auto only = [&](const char* who, const Verdict& mine, const Verdict& other) {
        for (const auto& [hash, results] : mine.ends)
            if (other.ends.count({hash, results}) == 0)
                out += fmt::format("  only {}: end {:016x} {}\n", who, hash, results);
        for (const std::string& rule : mine.rules)
            if (other.rules.count(rule) == 0)
                out += fmt::format("  only {}: {}\n", who, rule);
    };
    only(a, x, y);
    only(b, y, x);
    if (x.sometimes != y.sometimes)
        out += fmt::format("  {} and {} differ in what is sometimes\n", a, b);
    return out;
}
} // namespace

Compared compareSearches(const std::string& text, u64 mostStates, const Mistake& mistake) {
    const Scenario scenario = bindScenario("random.yaml", text);
    ExploreOptions options;
    options.all = true;
    const ExploreResult all = explorePlainly(scenario, options, {.states = mostStates});
    Compared compared;
    compared.states = all.states;
    if (all.stopped) {
        options.preemptions = 2;
        const ExploreResult plain = explorePlainly(scenario, options, {.states = mostStates});
        if (plain.stopped)
            return {Compared::Kind::TooLarge, "", false, plain.states};
        options.mode = ExploreMode::Stateful;
        compared.what = difference("plain", verdictOf(plain), "stateful", verdictOf(Explorer(scenario, options).run()));
        compared.what += difference("plain", verdictOf(plain), "two threads", verdictOf(exploreTogether(scenario, options, 2, onThreads)));
        compared.kind = compared.what.empty() ? Compared::Kind::Bounded : Compared::Kind::Different;
        return compared;
    }
    const Verdict plain = verdictOf(all);
    options.mode = ExploreMode::Stateful;
    options.sleep = mistake.sleep;
    options.reduce = ExploreOptions::Reduce::Never;
    compared.what = difference("plain", plain, "stateful, not reduced", verdictOf(Explorer(scenario, options).run()));
    options.reduce = ExploreOptions::Reduce::Always;
    options.ampleWithout = mistake.ampleWithout;
    compared.what += difference("plain", plain, "stateful, reduced", verdictOf(Explorer(scenario, options).run()));
    compared.what += difference("plain", plain, "two threads", verdictOf(exploreTogether(scenario, options, 2, onThreads)));
    compared.what += difference("plain", plain, "one who gives all work away",
                                verdictOf(exploreTogether(scenario, options, 1, onThreads, Crew::Gives::Everything)));
    options.ampleWithout = Ample::Part::BeginningAnew;
    compared.what += difference("plain", plain, "stateful, reduced, never anew", verdictOf(Explorer(scenario, options).run()));
    options.mode = ExploreMode::Stateless;
    options.without = mistake.without;
    options.deafTo = mistake.deafTo;
    options.maxTransitions = 300'000;
    const ExploreResult traces = Explorer(scenario, options).run();
    compared.stateless = !traces.stopped;
    if (compared.stateless)
        compared.what += difference("plain", plain, "stateless", verdictOf(traces));
    if (!compared.what.empty())
        compared.kind = Compared::Kind::Different;
    return compared;
}

RandomRace shrunk(const RandomRace& race, u64 mostStates) {
    return shrunk(race,
                  [&](const RandomRace& smaller) { return compareSearches(smaller.text(), mostStates).kind == Compared::Kind::Different; });
}

RandomRace shrunk(const RandomRace& race, const std::function<bool(const RandomRace&)>& still) {
    RandomRace best = race;
    const auto differs = [&](const RandomRace& candidate) {
        try {
            return still(candidate);
        } catch (const std::exception&) {
            return false;
        }
    };
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (std::size_t i = 0; i < best.before.size() && !smaller; ++i) {
            RandomRace candidate = best;
            candidate.before.erase(candidate.before.begin() + static_cast<std::ptrdiff_t>(i));
            if (differs(candidate))
                best = candidate, smaller = true;
        }
        for (std::size_t i = 0; i < best.actors.size() && !smaller; ++i) {
            if (best.actors.size() > 2) {
                RandomRace candidate = best;
                candidate.actors.erase(candidate.actors.begin() + static_cast<std::ptrdiff_t>(i));
                if (differs(candidate))
                    best = candidate, smaller = true;
            }
            for (std::size_t k = 0; k < best.actors[i].second.size() && best.actors[i].second.size() > 1 && !smaller; ++k) {
                RandomRace candidate = best;
                auto& steps = candidate.actors[i].second;
                steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(k));
                if (differs(candidate))
                    best = candidate, smaller = true;
            }
        }
    }
    return best;
}

} // namespace mirrorscope::test
