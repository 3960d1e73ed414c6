// SPDX-License-Identifier: GPL-3.0-or-later
// MRTD against sha384sum over a stream that is built here, from the documented blocks alone.
#include "support/run.h"

#include <gtest/gtest.h>

#include <fstream>

namespace mirrorscope::test {

namespace {
void littleEndian(std::string& out, u64 value) {
    for (unsigned i = 0; i < 8; ++i)
        out += static_cast<char>(value >> 8 * i & 0xff);
}

// One page of the image: MEM.PAGE.ADD, then sixteen times MR.EXTEND with 256 bytes each.
void addPage(std::string& stream, u64 gpa, const std::string& content, bool measure) {
    std::string add = "MEM.PAGE.ADD";
    add.resize(16, '\0');
    littleEndian(add, gpa);
    add.resize(128, '\0');
    stream += add;
    for (unsigned chunk = 0; measure && chunk < 16; ++chunk) {
        std::string extend = "MR.EXTEND";
        extend.resize(16, '\0');
        littleEndian(extend, gpa + chunk * 256);
        extend.resize(128, '\0');
        stream += extend + content.substr(chunk * 256, 256);
    }
}

std::string sha384sum(const std::string& bytes) {
    const auto file = std::filesystem::temp_directory_path() / ("mirrorscope-mrtd-" + std::to_string(getpid()));
    std::ofstream(file, std::ios::binary) << bytes;
    std::FILE* pipe = popen(("sha384sum '" + file.string() + "'").c_str(), "r");
    char digest[97] = {};
    EXPECT_EQ(std::fread(digest, 1, 96, pipe), 96u);
    pclose(pipe);
    std::filesystem::remove(file);
    return digest;
}

std::string mrtdOf(const std::string& script) {
    Session session(bindScenario("t.yaml", "mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n" + script));
    session.seek(session.end());
    return nlohmann::json::parse(stateJson(session))["td"]["mrtd"];
}
} // namespace

TEST(Mrtd, of_an_empty_td_is_the_digest_of_nothing) {
    EXPECT_EQ(mrtdOf("  - seamcall: {leaf: TDH.MR.FINALIZE}\n").substr(0, 8), "38b060a7");
    EXPECT_EQ(mrtdOf("  - seamcall: {leaf: TDH.MR.FINALIZE}\n"), sha384sum(""));
}

TEST(Mrtd, of_two_zero_pages_in_both_orders) {
    const std::string zero(4096, '\0');
    std::string up, down;
    addPage(up, 0, zero, true);
    addPage(up, 0x1000, zero, true);
    addPage(down, 0x1000, zero, true);
    addPage(down, 0, zero, true);
    EXPECT_EQ(mrtdOf("  - init-mem-region: {gpa: 0, size: 8K}\n  - finalize-vm\n"), sha384sum(up));
    EXPECT_EQ(mrtdOf("  - init-mem-region: {gpa: 0x1000}\n  - init-mem-region: {gpa: 0}\n  - finalize-vm\n"), sha384sum(down));
    EXPECT_NE(sha384sum(up), sha384sum(down));
}

TEST(Mrtd, of_contents_measured_and_not) {
    std::string pattern;
    for (unsigned i = 0; i < 4096; ++i)
        pattern += "\x12\x34\x56"[i % 3];
    std::string stream;
    addPage(stream, 0x5000, pattern, true);
    addPage(stream, 0x9000, std::string(4096, '\xab'), false);
    EXPECT_EQ(
        mrtdOf("  - init-mem-region: {gpa: 0x5000, content: '123456'}\n  - init-mem-region: {gpa: 0x9000, content: 0xab, measure: false}\n"
               "  - finalize-vm\n"),
        sha384sum(stream));
}

} // namespace mirrorscope::test
