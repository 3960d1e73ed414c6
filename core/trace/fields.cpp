// SPDX-License-Identifier: GPL-3.0-or-later
// What stands behind the name of an event: the words of v6.16, and older ones.
#include "kvm/types.h"
#include "trace/text_reader.h"

namespace mirrorscope {

namespace {
int digitOf(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}
bool isWordEnd(char c) { return !(digitOf(c) < 99 || (c >= 'g' && c <= 'z') || c == '_'); }

// Goes over a line from the left: words that must come, and the numbers behind them.
class Scan {
public:
    explicit Scan(std::string_view text) : text_(text) {}

    // The word stands here, or further on if `anywhere`; the scan goes on behind it.
    bool word(std::string_view what, bool anywhere = false) {
        blanks();
        for (std::size_t at = at_; at != std::string_view::npos && at + what.size() <= text_.size();) {
            if (text_.compare(at, what.size(), what) == 0 && (at == 0 || isWordEnd(text_[at - 1])) &&
                (at + what.size() == text_.size() || isWordEnd(text_[at + what.size()]))) {
                at_ = at + what.size();
                return true;
            }
            if (!anywhere)
                return false;
            at = text_.find(what, at + 1);
        }
        return false;
    }
    bool hex(u64& value) { return number(value, 16); }
    bool dec(u64& value) { return number(value, 10); }
    // With its sign.
    bool integer(u64& value) {
        blanks();
        const bool minus = at_ < text_.size() && text_[at_] == '-';
        at_ += minus ? 1 : 0;
        if (!dec(value))
            return false;
        value = minus ? ~value + 1 : value;
        return true;
    }
    // Up to that character or word; without blanks at the end.
    std::string_view until(std::string_view end) {
        blanks();
        const std::size_t to = std::min(text_.find(end, at_), text_.size());
        std::string_view part = text_.substr(at_, to - at_);
        at_ = to;
        while (!part.empty() && part.back() == ' ')
            part.remove_suffix(1);
        return part;
    }
    std::string_view rest() const { return text_.substr(at_); }
    std::string_view token() {
        blanks();
        const std::size_t from = at_;
        while (at_ < text_.size() && text_[at_] != ' ')
            ++at_;
        return text_.substr(from, at_ - from);
    }

private:
    void blanks() {
        while (at_ < text_.size() &&
               (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == ':' || text_[at_] == '=' || text_[at_] == ','))
            ++at_;
    }
    bool number(u64& value, int base) {
        blanks();
        if (text_.compare(at_, 2, "0x") == 0) {
            at_ += 2;
            base = 16;
        }
        u64 v = 0;
        const std::size_t from = at_;
        for (; at_ < text_.size() && digitOf(text_[at_]) < base; ++at_) {
            if (at_ - from >= (base == 16 ? 16u : 19u))
                return false;
            v = v * static_cast<unsigned>(base) + static_cast<unsigned>(digitOf(text_[at_]));
        }
        if (at_ == from || (at_ < text_.size() && !isWordEnd(text_[at_])))
            return false;
        value = v;
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

bool levelIs(Scan& scan, TraceEvent& e) {
    u64 level = 0;
    if (!scan.dec(level))
        return false;
    e.level = static_cast<u8>(std::min<u64>(level, 0xff)); // whatever there is no such level of
    return true;
}

bool vcpuIs(Scan& scan, TraceEvent& e) {
    e.vcpu = 0xffff;
    u64 vcpu = 0;
    if (!scan.word("vcpu"))
        return true; // older kernels do not tell
    if (!scan.dec(vcpu) || vcpu >= 0xffff)
        return false;
    e.vcpu = static_cast<u16>(vcpu);
    return true;
}

// "sp gen 0 gfn 0 l1 8-byte q0 direct wux nxe ad root 0 sync new"; before v4.?: "new sp gfn 0 4 q0 direct wux pae !nxe !wp root 0 sync";
// of trace-cmd, which cannot print it: "mmu_valid_gen=0 gfn=0 role=14212 root_count=0 unsync=0 created=1", in decimal.
bool page(std::string_view fields, TraceEvent& e) {
    Scan scan(fields);
    u64 value = 0;
    if (Scan raw(fields); raw.word("mmu_valid_gen", true)) {
        u64 created = 0;
        if (!raw.dec(e.c) || !raw.word("gfn") || !raw.dec(e.gfn) || !raw.word("role") || !raw.dec(e.a))
            return false;
        e.level = static_cast<u8>(e.a & 15);
        if (e.kind == TraceKind::GetPage) {
            if (!raw.word("created", true) || !raw.dec(created))
                return false;
            e.flags = created != 0 ? TraceEvent::kNew : 0;
        }
        return true;
    }
    const bool newFirst = scan.word("new");
    if (!scan.word("sp"))
        return false;
    if (scan.word("gen") && !scan.dec(e.c))
        return false;
    if (!scan.word("gfn") || !scan.hex(e.gfn))
        return false;
    std::string_view level = scan.token();
    if (!level.empty() && level[0] == 'l')
        level.remove_prefix(1);
    if (level.size() != 1 || level[0] < '1' || level[0] > '5')
        return false;
    e.level = static_cast<u8>(level[0] - '0');
    const auto has = [&](std::string_view word) { return Scan(fields).word(word, true); };
    u64 access = 0;
    for (unsigned bits = 0; bits < 8; ++bits) {
        constexpr std::array<std::string_view, 8> kAccess{" --- ", " --x ", " w-- ", " w-x ", " -u- ", " -ux ", " wu- ", " wux "};
        if (fields.find(kAccess[bits]) != std::string_view::npos)
            access = bits;
    }
    e.a = e.level | (has("direct") ? role::kDirect : 0) | access << 8 | (has("invalid") ? role::kInvalid : 0) |
          (fields.find("!nxe") == std::string_view::npos ? 1 << 12 : 0) | 1 << 13 |
          (fields.find("!ad") != std::string_view::npos ? role::kAdDisabled : 0);
    if (!scan.word("root", true) || !scan.dec(value) || !(scan.word("sync") || scan.word("unsync")))
        return false;
    if (e.kind == TraceKind::GetPage) {
        const bool isNew = newFirst || scan.word("new");
        if (!isNew && !scan.word("existing"))
            return false;
        e.flags = isNew ? TraceEvent::kNew : 0;
    }
    return true;
}

bool range(std::string_view fields, TraceEvent& e) {
    Scan scan(fields);
    if (!(e.kind == TraceKind::UnmapHva ? scan.word("range", true) : scan.word("hva", true)) || !scan.hex(e.a))
        return false;
    if (e.kind == TraceKind::TestAgeHva)
        return true;
    return scan.word("--") && scan.hex(e.b);
}
} // namespace

bool parseFields(TraceKind kind, std::string_view fields, TraceEvent& e, TraceNames& names) {
    e.kind = kind;
    Scan scan(fields);
    u64 value = 0;
    switch (kind) {
    case TraceKind::SpteChanged:
        if (!scan.word("as") || !scan.word("id") || !scan.dec(value) || !scan.word("gfn") || !scan.hex(e.gfn) || !scan.word("level") ||
            !levelIs(scan, e) || !scan.word("old_spte") || !scan.hex(e.a) || !scan.word("new_spte") || !scan.hex(e.b))
            return false;
        e.asId = static_cast<u8>(std::min<u64>(value, 0xff));
        return true;
    case TraceKind::GetPage:
    case TraceKind::PrepareZapPage:
    case TraceKind::SyncPage:
    case TraceKind::UnsyncPage: return page(fields, e);
    case TraceKind::SetSpte:
        return scan.word("gfn") && scan.hex(e.gfn) && scan.word("spte") && scan.hex(e.a) && scan.word("level", true) && levelIs(scan, e) &&
               scan.word("at") && scan.hex(e.b);
    case TraceKind::SpteRequested:
        return scan.word("gfn") && scan.hex(e.gfn) && scan.word("pfn") && scan.hex(e.a) && scan.word("level") && levelIs(scan, e);
    case TraceKind::FastPageFault: {
        u64 spurious = 0, fixed = 0;
        if (!vcpuIs(scan, e) || !scan.word("gva") || !scan.hex(e.c) || !scan.word("old", true) || !scan.hex(e.a) || !scan.word("new") ||
            !scan.hex(e.b) || !scan.word("spurious") || !scan.dec(spurious) || !scan.word("fixed") || !scan.dec(fixed))
            return false;
        e.gfn = e.c >> 12;
        e.flags = static_cast<u8>((spurious != 0 ? TraceEvent::kSpurious : 0) | (fixed != 0 ? TraceEvent::kFixed : 0));
        return true;
    }
    case TraceKind::MarkMmio:
        return scan.word("gfn", true) && scan.hex(e.gfn) && scan.word("access") && scan.hex(e.a) && scan.word("gen") && scan.hex(e.b);
    case TraceKind::HandleMmio:
        return scan.word("addr") && scan.hex(e.a) && scan.word("gfn") && scan.hex(e.gfn) && scan.word("access") && scan.hex(e.b);
    case TraceKind::CheckMmio: return scan.word("spte") && scan.hex(e.a) && scan.word("kvm_gen") && scan.hex(e.b);
    case TraceKind::ZapAllFast: return scan.word("kvm-mmu-valid-gen") && scan.dec(e.a) && scan.word("used_pages") && scan.hex(e.b);
    case TraceKind::SplitHugePage:
        return scan.word("gfn") && scan.hex(e.gfn) && scan.word("spte") && scan.hex(e.a) && scan.word("level") && levelIs(scan, e) &&
               scan.word("errno") && scan.integer(e.b);
    case TraceKind::PageFault:
        if (!vcpuIs(scan, e) || !scan.word("address", true) || !scan.hex(e.c) || !scan.word("error_code") || !scan.hex(e.a))
            return false;
        e.gfn = e.c >> 12;
        return true;
    case TraceKind::Entry:
        // Older ones end with the vCPU.
        if (!vcpuIs(scan, e) || (scan.word("rip") && !scan.hex(e.a)))
            return false;
        return true;
    case TraceKind::Exit:
        if (!vcpuIs(scan, e) || !scan.word("reason"))
            return false;
        {
            // It may be of two words.
            const std::string_view rest = scan.rest();
            e.a = names.string(scan.until(rest.find(" rip") != std::string_view::npos ? " rip" : " info1"));
        }
        if (scan.word("rip") ? !scan.hex(value) : !Scan(scan.rest()).word("info1"))
            return false;
        if (scan.word("info1") && !scan.hex(e.b))
            return false;
        return !(scan.word("info2") && !scan.hex(e.c));
    case TraceKind::UnmapHva:
    case TraceKind::AgeHva:
    case TraceKind::TestAgeHva: return range(fields, e);
    case TraceKind::UserspaceExit:
        if (!scan.word("reason"))
            return false;
        e.a = names.string(scan.until("("));
        return scan.rest().starts_with("(") && Scan(scan.rest().substr(1)).integer(e.b);
    case TraceKind::Hypercall:
        return scan.word("nr") && scan.hex(e.a) && scan.word("a0") && scan.hex(e.b) && scan.word("a1") && scan.hex(e.c);
    case TraceKind::RmpFault:
        if (!vcpuIs(scan, e) || !scan.word("gpa") || !scan.hex(value) || !scan.word("pfn") || !scan.hex(e.b) || !scan.word("error_code") ||
            !scan.hex(e.a) || !scan.word("rmp_level") || !levelIs(scan, e) || !scan.word("psmash_ret") || !scan.integer(e.c))
            return false;
        e.gfn = value >> 12;
        return true;
    case TraceKind::MemoryRegion: {
        u64 slot = 0;
        if (!scan.word("kvm", true) || !scan.hex(e.a) || !scan.word("slot", true) || !scan.dec(slot) || !scan.word("gpa", true) ||
            !scan.hex(value) || !scan.word("size", true) || !scan.hex(e.c) || !scan.word("hva", true) || !scan.hex(e.b))
            return false;
        e.vcpu = static_cast<u16>(slot);
        e.gfn = value >> 12;
        return true;
    }
    case TraceKind::Seamcall: {
        const bool ofEntry = info(static_cast<Leaf>(e.a)).rcx == Operand::GpaLevel;
        if (scan.word("td", true) && !scan.hex(e.c))
            return false;
        if (ofEntry && (!scan.word("gpa", true) || !scan.hex(value)))
            return false;
        e.gfn = value >> 12;
        if (ofEntry && scan.word("level", true) && !levelIs(scan, e))
            return false;
        return !scan.word("page", true) || scan.hex(e.b);
    }
    case TraceKind::SeamcallStatus: return scan.word("status", true) && scan.hex(e.b);
    case TraceKind::Count_: break;
    }
    return false;
}

} // namespace mirrorscope
