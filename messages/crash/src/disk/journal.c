// Writes down what a process does to the files below a folder, so that it can be told afterwards what a disk may
// hold if the power is cut. Loaded into the process by LD_PRELOAD; mod.rs reads what it writes.
//
// CRASH_FOLDER  the folder; the path must be the real one
// CRASH_JOURNAL the file to write to
// CRASH_FULL    while this file is there, the disk is full
// CRASH_LIES    while this file is there, a sync does nothing and says that it went well

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536
#define REAL(name) ((__typeof__(&name))real(#name))

// One change holds this, so that they are written down in the order in which they are made.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder, *full, *lies;
static int journal = -1;
static uint64_t number;
// The inodes of open files below the folder.
static uint64_t inodes[FILES];

struct entry {
  uint64_t kind, inode, at, length;
};

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("CRASH_JOURNAL");
  folder = getenv("CRASH_FOLDER");
  full = getenv("CRASH_FULL");
  lies = getenv("CRASH_LIES");
  if (folder && path) journal = REAL(open)(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

// Whether a path is that of the folder, or below it.
static bool below(const char *path) {
  size_t length = folder ? strlen(folder) : 0;
  return journal >= 0 && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

// The number of a file that is looked after, or 0.
static uint64_t inode_of(int fd) { return fd >= 0 && fd < FILES ? inodes[fd] : 0; }

static void note(char kind, uint64_t inode, uint64_t at, const struct iovec *parts, int count, size_t length) {
  struct entry entry = {.kind = kind, .inode = inode, .at = at, .length = length};
  char *bytes = malloc(sizeof entry + length);
  if (!bytes) abort();
  memcpy(bytes, &entry, sizeof entry);
  size_t end = sizeof entry;
  for (int part = 0; part < count && length; part++) {
    size_t size = parts[part].iov_len < length ? parts[part].iov_len : length;
    memcpy(bytes + end, parts[part].iov_base, size);
    end += size;
    length -= size;
  }
  if (REAL(write)(journal, bytes, end) != (ssize_t)end) abort();
  free(bytes);
  number++;
}

static void note_path(char kind, uint64_t inode, const char *path) {
  struct iovec part = {(void *)path, strlen(path)};
  note(kind, inode, 0, &part, 1, part.iov_len);
}

static void opened(int fd, bool is_new, bool is_cut) {
  char link[64], path[PATH_MAX];
  struct stat stat;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0 || fd >= FILES) return;
  path[length] = 0;
  if (!below(path) || fstat(fd, &stat)) return;
  inodes[fd] = stat.st_ino;
  if (is_new) note_path('o', stat.st_ino, path);
  if (is_cut) note('t', stat.st_ino, 0, NULL, 0, 0);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (journal < 0) return REAL(open)(path, flags, mode);
  pthread_mutex_lock(&lock);
  struct stat before;
  bool was_there = !stat(path, &before);
  int fd;
  if (!was_there && flags & O_CREAT && below(path) && full && !access(full, F_OK)) {
    errno = ENOSPC;
    fd = -1;
  } else {
    fd = REAL(open)(path, flags, mode);
  }
  int error = errno;
  if (fd >= 0) opened(fd, !was_there, was_there && flags & O_TRUNC);
  pthread_mutex_unlock(&lock);
  errno = error;
  return fd;
}

int close(int fd) {
  if (!inode_of(fd)) return REAL(close)(fd);
  pthread_mutex_lock(&lock);
  inodes[fd] = 0;
  int done = REAL(close)(fd);
  pthread_mutex_unlock(&lock);
  return done;
}

// What a write at a place did, or at the end of which the file is now.
static ssize_t written(int fd, ssize_t done, int64_t at, const struct iovec *parts, int count) {
  int error = errno;
  if (done > 0) {
    if (at < 0) at = lseek(fd, 0, SEEK_CUR) - done;
    note('w', inode_of(fd), at, parts, count, done);
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

static bool is_full(void) {
  if (!full || access(full, F_OK)) return false;
  errno = ENOSPC;
  return true;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!inode_of(fd)) return REAL(writev)(fd, parts, count);
  pthread_mutex_lock(&lock);
  return written(fd, is_full() ? -1 : REAL(writev)(fd, parts, count), -1, parts, count);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  if (!inode_of(fd)) return REAL(write)(fd, bytes, length);
  struct iovec part = {(void *)bytes, length};
  pthread_mutex_lock(&lock);
  return written(fd, is_full() ? -1 : REAL(write)(fd, bytes, length), -1, &part, 1);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  if (!inode_of(fd)) return REAL(pwrite)(fd, bytes, length, at);
  struct iovec part = {(void *)bytes, length};
  pthread_mutex_lock(&lock);
  return written(fd, is_full() ? -1 : REAL(pwrite)(fd, bytes, length, at), at, &part, 1);
}

int ftruncate(int fd, off_t length) {
  if (!inode_of(fd)) return REAL(ftruncate)(fd, length);
  pthread_mutex_lock(&lock);
  int done = REAL(ftruncate)(fd, length);
  if (!done) note('t', inode_of(fd), length, NULL, 0, 0);
  pthread_mutex_unlock(&lock);
  return done;
}

static int sync_by(int (*call)(int), int fd) {
  uint64_t inode = inode_of(fd);
  if (!inode) return call(fd);
  if (lies && !access(lies, F_OK)) return 0;
  pthread_mutex_lock(&lock);
  uint64_t up_to = number;
  pthread_mutex_unlock(&lock);
  int done = call(fd);
  if (done) return done;
  pthread_mutex_lock(&lock);
  note('s', inode, up_to, NULL, 0, 0);
  pthread_mutex_unlock(&lock);
  return 0;
}

int fsync(int fd) { return sync_by(REAL(fsync), fd); }
int fdatasync(int fd) { return sync_by(REAL(fdatasync), fd); }

int rename(const char *from, const char *to) {
  if (journal < 0 || !below(from)) return REAL(rename)(from, to);
  pthread_mutex_lock(&lock);
  int done = REAL(rename)(from, to);
  if (!done) {
    // With the byte between them that no path has.
    struct iovec parts[] = {{(void *)from, strlen(from) + 1}, {(void *)to, strlen(to)}};
    note('r', 0, 0, parts, 2, parts[0].iov_len + parts[1].iov_len);
  }
  pthread_mutex_unlock(&lock);
  return done;
}

int unlink(const char *path) {
  if (journal < 0 || !below(path)) return REAL(unlink)(path);
  pthread_mutex_lock(&lock);
  int done = REAL(unlink)(path);
  if (!done) note_path('u', 0, path);
  pthread_mutex_unlock(&lock);
  return done;
}

// What is not written down would be forgotten, so nobody does it unseen.
#define UNSEEN(result, name, arguments, path_or_fd, passed) \
  result name arguments {                                   \
    if (path_or_fd) abort();                                \
    return REAL(name) passed;                               \
  }
UNSEEN(int, link, (const char *from, const char *to), journal >= 0 && below(to), (from, to))
UNSEEN(int, symlink, (const char *from, const char *to), journal >= 0 && below(to), (from, to))
UNSEEN(int, mkdir, (const char *path, mode_t mode), journal >= 0 && below(path) && strcmp(path, folder), (path, mode))
UNSEEN(int, rmdir, (const char *path), journal >= 0 && below(path), (path))
UNSEEN(int, fallocate, (int fd, int mode, off_t at, off_t length), inode_of(fd), (fd, mode, at, length))
UNSEEN(int, posix_fallocate, (int fd, off_t at, off_t length), inode_of(fd), (fd, at, length))

// What programs call that were compiled for files of any size: the same here.
int open64(const char *, int, ...) __attribute__((alias("open")));
ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));
