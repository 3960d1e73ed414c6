// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/dat_reader.h"

#include "base/out_file.h"
#include "base/sanitizer.h"
#include "scenario/diagnostic.h"
#include "trace/event_stream.h"
#include "trace/input.h"

// tracefs.h of libtracefs 1.6 is no C++, and nothing of it is needed here.
#define _TRACE_FS_H
extern "C" {
#include <sched.h>
#include <trace-cmd/trace-cmd.h>
}

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

namespace mirrorscope {

namespace {
// The words of an event that are taken from its fields, by the names that the kernel gives these.
struct FieldNames {
    TraceKind id;
    std::string_view gfn, level, a, b, c, vcpu, asId;
};
constexpr FieldNames kFields[] = {
    {TraceKind::SpteChanged, "gfn", "level", "old_spte", "new_spte", "", "", "as_id"},
    {TraceKind::GetPage, "gfn", "", "role", "created", "mmu_valid_gen", "", ""},
    {TraceKind::PrepareZapPage, "gfn", "", "role", "", "mmu_valid_gen", "", ""},
    {TraceKind::SyncPage, "gfn", "", "role", "", "mmu_valid_gen", "", ""},
    {TraceKind::UnsyncPage, "gfn", "", "role", "", "mmu_valid_gen", "", ""},
    {TraceKind::SetSpte, "gfn", "level", "spte", "sptep", "", "", ""},
    {TraceKind::SpteRequested, "gfn", "level", "pfn", "", "", "", ""},
    {TraceKind::FastPageFault, "ret", "", "old_spte", "new_spte", "cr2_or_gpa", "vcpu_id", ""},
    {TraceKind::MarkMmio, "gfn", "", "access", "gen", "", "", ""},
    {TraceKind::HandleMmio, "gfn", "", "addr", "access", "", "", ""},
    {TraceKind::CheckMmio, "", "", "spte", "kvm_gen", "", "", ""},
    {TraceKind::ZapAllFast, "", "", "mmu_valid_gen", "mmu_used_pages", "", "", ""},
    {TraceKind::SplitHugePage, "gfn", "level", "spte", "errno", "", "", ""},
    {TraceKind::PageFault, "", "", "error_code", "", "fault_address", "vcpu_id", ""},
    {TraceKind::Entry, "", "", "rip", "", "", "vcpu_id", ""},
    {TraceKind::Exit, "isa", "", "exit_reason", "info1", "info2", "vcpu_id", ""},
    {TraceKind::UnmapHva, "", "", "start", "end", "", "", ""},
    {TraceKind::AgeHva, "", "", "start", "end", "", "", ""},
    {TraceKind::TestAgeHva, "", "", "hva", "", "", "", ""},
    {TraceKind::UserspaceExit, "", "", "reason", "errno", "", "", ""},
    {TraceKind::Hypercall, "", "", "nr", "a0", "a1", "", ""},
    {TraceKind::RmpFault, "gpa", "rmp_level", "error_code", "pfn", "psmash_ret", "vcpu_id", ""},
    {TraceKind::MemoryRegion, "gpa", "", "kvm", "hva", "size", "slot", ""},
    {TraceKind::Seamcall, "gpa", "level", "", "page", "td", "", ""},
    {TraceKind::SeamcallStatus, "", "", "", "status", "", "", ""},
};
static_assert(std::size(kFields) == kTraceKinds && inOrder(kFields));

// Reasons of exits that such a recording is full of; the others are shown as numbers.
struct Reason {
    unsigned isa, code; // 1 VMX, 2 SVM
    std::string_view name;
};
constexpr Reason kReasons[] = {{1, 0, "EXCEPTION_NMI"},
                               {1, 1, "EXTERNAL_INTERRUPT"},
                               {1, 10, "CPUID"},
                               {1, 12, "HLT"},
                               {1, 18, "VMCALL"},
                               {1, 28, "CR_ACCESS"},
                               {1, 30, "IO_INSTRUCTION"},
                               {1, 31, "MSR_READ"},
                               {1, 32, "MSR_WRITE"},
                               {1, 48, "EPT_VIOLATION"},
                               {1, 49, "EPT_MISCONFIG"},
                               {1, 52, "PREEMPTION_TIMER"},
                               {1, 77, "TDCALL"},
                               {2, 0x60, "interrupt"},
                               {2, 0x61, "nmi"},
                               {2, 0x72, "cpuid"},
                               {2, 0x78, "hlt"},
                               {2, 0x7b, "io"},
                               {2, 0x7c, "msr"},
                               {2, 0x7f, "shutdown"},
                               {2, 0x81, "vmmcall"},
                               {2, 0x400, "npf"},
                               {2, 0x402, "avic_unaccelerated_access"}};

// ---- in the child

// What libtracecmd says of an event, ready to be read from its records.
struct Reader {
    bool known = false, concerns = false;
    TraceKind kind = TraceKind::SpteChanged;
    tep_format_field *gfn = nullptr, *level = nullptr, *a = nullptr, *b = nullptr, *c = nullptr, *vcpu = nullptr, *asId = nullptr;
    u64 spurious = 6, fixed = 5; // RET_PF_SPURIOUS, RET_PF_FIXED, by the text of the event's format
    u64 leaf = 0;                // of a probe
    u64 count = 0;
    std::string name;
};

struct Child {
    tep_handle* tep = nullptr;
    TraceNames names;
    std::unique_ptr<EventWriter> writer;
    std::vector<Reader> readers;
    TraceCounts counts;

    void learn(Reader& reader, int type) {
        reader.known = true;
        tep_event* event = tep_find_event(tep, type);
        if (event == nullptr || event->name == nullptr)
            return;
        reader.name = event->name;
        const auto kind = traceKindFromName(event->name);
        if (!kind)
            return;
        reader.concerns = true;
        reader.kind = *kind;
        if (const auto leaf = traceLeafFromName(reader.name))
            reader.leaf = static_cast<u64>(*leaf);
        const FieldNames& fields = kFields[static_cast<unsigned>(*kind)];
        const auto field = [&](std::string_view name) { return name.empty() ? nullptr : tep_find_field(event, std::string(name).c_str()); };
        reader.gfn = field(fields.gfn);
        reader.level = field(fields.level);
        reader.a = field(fields.a);
        reader.b = field(fields.b);
        reader.c = field(fields.c);
        reader.vcpu = field(fields.vcpu);
        reader.asId = field(fields.asId);
        // "REC->ret == 6, REC->ret == 5": the numbers are those of the kernel that was recorded.
        std::vector<u64> compared;
        if (*kind == TraceKind::FastPageFault)
            for (const tep_print_arg* arg = event->print_fmt.args; arg != nullptr; arg = arg->next)
                if (arg->type == TEP_PRINT_OP && arg->op.right != nullptr && arg->op.right->type == TEP_PRINT_ATOM)
                    compared.push_back(std::strtoull(arg->op.right->atom.atom, nullptr, 0));
        if (compared.size() >= 2) {
            reader.spurious = compared[compared.size() - 2];
            reader.fixed = compared[compared.size() - 1];
        }
    }
    u64 number(const tep_format_field* field, const tep_record* record) const {
        if (field == nullptr || field->size <= 0 || field->size > 8 || field->offset < 0 || field->offset + field->size > record->size)
            return 0;
        return tep_read_number(tep, static_cast<const char*>(record->data) + field->offset, field->size);
    }
    int take(tep_record* record, int cpu) {
        ++counts.lines;
        if (record->missed_events != 0) {
            const u64 missed = record->missed_events > 0 ? static_cast<u64>(record->missed_events) : 0;
            counts.lost += missed;
            writer->lost({.events = missed, .line = static_cast<u32>(counts.lines), .cpu = static_cast<u16>(cpu)});
        }
        const int type = tep_data_type(tep, record);
        if (type < 0 || type > 0xffff) {
            ++counts.skipped;
            return 0;
        }
        if (static_cast<std::size_t>(type) >= readers.size())
            readers.resize(static_cast<std::size_t>(type) + 1);
        Reader& reader = readers[static_cast<std::size_t>(type)];
        if (!reader.known)
            learn(reader, type);
        if (!reader.concerns) {
            if (reader.name.empty())
                ++counts.skipped;
            else
                ++reader.count;
            return 0;
        }
        TraceEvent e;
        e.kind = reader.kind;
        e.line = static_cast<u32>(counts.lines);
        e.time = record->ts;
        e.cpu = static_cast<u16>(cpu);
        const int pid = tep_data_pid(tep, record);
        const char* comm = tep_data_comm_from_pid(tep, pid);
        e.task = names.task(comm == nullptr ? "<...>" : std::string_view(comm).substr(0, 32), static_cast<u32>(pid));
        e.gfn = number(reader.gfn, record);
        e.level = static_cast<u8>(number(reader.level, record));
        e.a = number(reader.a, record);
        e.b = number(reader.b, record);
        e.c = number(reader.c, record);
        e.vcpu = reader.vcpu == nullptr ? 0xffff : static_cast<u16>(number(reader.vcpu, record));
        e.asId = static_cast<u8>(number(reader.asId, record));
        finishEvent(e, reader);
        writer->event(e);
        return 0;
    }
    // What a word means depends on the event.
    void finishEvent(TraceEvent& e, const Reader& reader) {
        switch (e.kind) {
        case TraceKind::GetPage:
            e.flags = e.b != 0 ? TraceEvent::kNew : 0;
            e.b = 0;
            [[fallthrough]];
        case TraceKind::PrepareZapPage:
        case TraceKind::SyncPage:
        case TraceKind::UnsyncPage: e.level = static_cast<u8>(e.a & 15); break;
        case TraceKind::FastPageFault:
            e.flags =
                static_cast<u8>((e.gfn == reader.spurious ? TraceEvent::kSpurious : 0) | (e.gfn == reader.fixed ? TraceEvent::kFixed : 0));
            e.gfn = e.c >> 12;
            break;
        case TraceKind::PageFault: e.gfn = e.c >> 12; break;
        case TraceKind::RmpFault:
        case TraceKind::MemoryRegion: e.gfn >>= 12; break;
        case TraceKind::Seamcall: e.gfn >>= 12; [[fallthrough]];
        case TraceKind::SeamcallStatus: e.a = reader.leaf; break;
        case TraceKind::Exit: {
            std::string name = fmt::format("{:#x}", e.a);
            for (const Reason& reason : kReasons)
                if (reason.isa == e.gfn && reason.code == (e.a & 0xffff))
                    name = reason.name;
            e.gfn = 0;
            e.a = names.string(name);
            break;
        }
        case TraceKind::UserspaceExit: e.a = names.string(fmt::format("{}", e.a)); break;
        default: break;
        }
    }
};

// What this program is called while it reads a file for another that is the same program.
constexpr char kReaderName[] = "mirrorscope-trace-dat";
constexpr std::string_view kHere = "."; // what it says first

// The file is its standard input, the pipe its standard output, and what it says is not heard.
[[noreturn]] void runReader() {
    std::signal(SIGPIPE, SIG_DFL);
    const int pipe = fcntl(STDOUT_FILENO, F_DUPFD, STDERR_FILENO + 1);
    dup2(STDERR_FILENO, STDOUT_FILENO); // the library may say something
    if (!writeAll(pipe, kHere))
        _exit(1);
    for (const auto& [what, most] : {std::pair{RLIMIT_CORE, rlim_t{0}}, {RLIMIT_CPU, rlim_t{600}}, {RLIMIT_FSIZE, rlim_t{0}}}) {
        const rlimit limit{most, most};
        setrlimit(what, &limit);
    }
    const rlimit memory{rlim_t{8} << 30, rlim_t{8} << 30}; // the window that opened it may be large itself
    if (!kSanitized)                                       // sanitizers take terabytes of addresses
        setrlimit(RLIMIT_AS, &memory);
    tracecmd_set_loglevel(TEP_LOG_NONE);
    tep_set_loglevel(TEP_LOG_NONE);
    tracecmd_input* handle = tracecmd_open_fd(STDIN_FILENO, TRACECMD_FL_LOAD_NO_PLUGINS);
    if (handle == nullptr)
        _exit(1);
    Child child;
    child.tep = tracecmd_get_tep(handle);
    child.writer = std::make_unique<EventWriter>(child.names, [pipe](std::string_view bytes) {
        if (!writeAll(pipe, bytes))
            _exit(1);
    });
    tracecmd_iterate_events(
        handle, nullptr, 0,
        [](tracecmd_input*, tep_record* record, int cpu, void* to) { return static_cast<Child*>(to)->take(record, cpu); }, &child);
    for (const Reader& reader : child.readers)
        if (reader.count > 0)
            child.counts.kinds[reader.name] += reader.count;
    child.writer->finish(child.counts);
    _exit(0);
}

// Before main(), whichever program of ours it is; glibc hands the arguments to whom it calls then.
[[gnu::constructor]] void becomeReader(int argc, char** argv, char**) {
    if (argc == 1 && std::string_view(argv[0]) == kReaderName)
        runReader();
}

// This program once more. A fork() alone would go on in a copy of a process with threads, in which any lock of a library may have been held
// by one of them and is never given back.
pid_t startReader(int file, int pipe) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, file, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, pipe, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    std::string name = kReaderName;
    char* const arguments[] = {name.data(), nullptr};
    pid_t child = -1;
    if (posix_spawn(&child, "/proc/self/exe", &files, nullptr, arguments, environ) != 0)
        child = -1;
    posix_spawn_file_actions_destroy(&files);
    return child;
}

// Not one of the three that a program begins with, should they be closed.
int aboveStandard(int fd) {
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    const int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return above;
}

// libtracecmd wants a file that it can seek in.
int asFile(TraceInput& input) {
    const int fd = aboveStandard(memfd_create("trace.dat", MFD_CLOEXEC));
    if (fd < 0)
        throw InputError(input.name(), 1, 1, "there is no room to unpack it");
    constexpr std::size_t kMost = std::size_t{16} << 30;
    std::size_t size = 0;
    for (std::string_view bytes = input.read(); !bytes.empty(); bytes = input.read()) {
        size += bytes.size();
        if (size > kMost || !writeAll(fd, bytes)) {
            close(fd);
            throw InputError(input.name(), 1, 1, "there is no room to unpack it");
        }
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}
} // namespace

bool isTraceDat(std::string_view bytes) { return bytes.starts_with("\x17\x08\x44tracing"); }

TraceCounts readTraceDat(TraceInput& input, TraceNames& names, TraceSink& sink, const std::function<bool(u64)>& goOn) {
    const int file = asFile(input);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        close(file);
        throw InputError(input.name(), 1, 1, "no pipe could be made");
    }
    ends[1] = aboveStandard(ends[1]);
    const pid_t child = startReader(file, ends[1]);
    close(file);
    close(ends[1]);
    EventReader reader(names, sink);
    bool fine = child > 0, stopped = false, isHere = false;
    std::string buffer(1 << 16, '\0');
    constexpr int kAskedEvery = 50; // milliseconds: a child that hangs can be given up, too
    while (fine && !stopped) {
        pollfd waiting{ends[0], POLLIN, 0};
        if (poll(&waiting, 1, kAskedEvery) != 0) {
            const ssize_t n = ::read(ends[0], buffer.data(), buffer.size());
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                break;
            std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
            if (!std::exchange(isHere, true))
                bytes.remove_prefix(kHere.size());
            fine = reader.feed(bytes);
        }
        stopped = !goOn(reader.counts().events);
    }
    close(ends[0]);
    int status = 0;
    if (child > 0) {
        if (!fine || stopped)
            kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    }
    if (!stopped && !isHere)
        throw InputError(input.name(), 1, 1, "the process that reads a trace.dat, /proc/self/exe, could not be started");
    if (!stopped && (!fine || !reader.finished() || !WIFEXITED(status) || WEXITSTATUS(status) != 0))
        throw InputError(input.name(), 1, 1, "a trace.dat that libtracecmd cannot read, or not to its end");
    return reader.counts();
}

} // namespace mirrorscope
