// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/out_file.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mirrorscope {

bool writeAll(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

OutFile::OutFile(const std::string& file) : place_(file) {
    struct stat there {};
    const bool exists = stat(file.c_str(), &there) == 0;
    if (exists && !S_ISREG(there.st_mode)) {
        place_.clear();
        fd_ = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    } else {
        char real[PATH_MAX];
        if (exists && realpath(file.c_str(), real) != nullptr)
            place_ = real;
        beside_ = place_ + ".part-" + std::to_string(getpid());
        fd_ = open(beside_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, exists ? there.st_mode & 0777 : 0666);
    }
    problem_ = fd_ < 0 ? errno : 0;
}

OutFile::~OutFile() {
    if (fd_ < 0)
        return;
    close(fd_);
    if (!beside_.empty())
        unlink(beside_.c_str());
}

bool OutFile::write(std::string_view bytes) {
    if (fd_ < 0) {
        errno = problem_;
        return false;
    }
    return writeAll(fd_, bytes);
}

bool OutFile::writeFront(std::string_view bytes) { return fd_ >= 0 && lseek(fd_, 0, SEEK_SET) == 0 && writeAll(fd_, bytes); }

bool OutFile::commit() {
    if (fd_ < 0) {
        errno = problem_;
        return false;
    }
    if (!beside_.empty() && ((fsync(fd_) != 0 && errno != EINVAL) || rename(beside_.c_str(), place_.c_str()) != 0))
        return false;
    const bool closed = close(fd_) == 0;
    fd_ = -1;
    return closed;
}

} // namespace mirrorscope
