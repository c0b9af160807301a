#include "pipeline/base/program_text.h"

#include <link.h>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

namespace pipeline {

namespace {
// Code that nobody can have written to is the same in the file; the kernel's own page of code has no file.
bool is_plain_code(const ElfW(Phdr) & part) {
  return part.p_type == PT_LOAD && (part.p_flags & PF_X) != 0 && (part.p_flags & PF_W) == 0;
}

int release(dl_phdr_info* object, size_t, void* total) {
  if (std::string_view(object->dlpi_name).starts_with("linux-vdso")) return 0;
  const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const auto& part = object->dlpi_phdr[i];
    if (!is_plain_code(part)) continue;
    const uintptr_t begin = (object->dlpi_addr + part.p_vaddr) & ~(page - 1);
    const uintptr_t end = (object->dlpi_addr + part.p_vaddr + part.p_memsz + page - 1) & ~(page - 1);
    if (::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED) == 0)
      *static_cast<uint64_t*>(total) += end - begin;
  }
  return 0;
}
}  // namespace

uint64_t release_program_text() {
  uint64_t total = 0;
  ::dl_iterate_phdr(release, &total);
  return total;
}

}  // namespace pipeline
