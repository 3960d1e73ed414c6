// SPDX-License-Identifier: GPL-3.0-or-later
// A file that is written beside its place and put there as a whole, so that nothing is lost. A symbolic link leads to its file. What is no
// regular file (a terminal, a pipe, /dev/null) is written to as it stands, and stays what it is.
//
//   OutFile out("run.session");
//   if (!out.write(bytes) || !out.commit())
//       complain(std::strerror(errno));
#pragma once

#include <string>
#include <string_view>

namespace mirrorscope {

// All of it, however often the system takes a part. False where it could not be written; errno says why.
bool writeAll(int fd, std::string_view bytes);

class OutFile {
public:
    explicit OutFile(const std::string& file);
    // What was not put in its place is removed.
    ~OutFile();
    OutFile(const OutFile&) = delete;
    OutFile& operator=(const OutFile&) = delete;

    // Each is false where it could not be; errno says why.
    bool write(std::string_view bytes);
    // Over the first bytes; not of what cannot be gone back in, such as a pipe.
    bool writeFront(std::string_view bytes);
    // Puts it in its place, on the disk.
    bool commit();

private:
    std::string place_, beside_; // where it will be, and is meanwhile; empty: it is written to at once
    int fd_ = -1;
    int problem_ = 0; // with which it could not be opened
};

} // namespace mirrorscope
