/* own minimal NVML stub: values from a key=value fixture named by GPUSIM_FIXTURE */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef int R; /* nvmlReturn_t */
enum {
  OK = 0,
  UNINIT = 1,
  INVAL = 2,
  NOTSUP = 3,
  NOPERM = 4,
  NOTFOUND = 6,
  SMALL = 7,
  NODRV = 9,
  LOST = 15,
  VERMISMATCH = 18,
  ARGVER = 25
};
typedef struct dev {
  int magic, idx;
} *D;
#define MAXG 32
static struct dev devs[MAXG];
static int inited, ngpu, nkv;
static struct {
  char k[96];
  char v[160];
} kv[4096];
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static void load(void) {
  static int done;
  if (done)
    return;
  done = 1;
  const char *f = getenv("GPUSIM_FIXTURE");
  FILE *h = f ? fopen(f, "r") : 0;
  char l[512];
  while (h && fgets(l, sizeof l, h)) {
    char *e = strchr(l, '=');
    if (!e || *l == '#')
      continue;
    *e = 0;
    char *v = e + 1;
    v[strcspn(v, "\r\n")] = 0;
    if (nkv < 4096) {
      snprintf(kv[nkv].k, 96, "%s", l);
      snprintf(kv[nkv].v, 160, "%s", v);
      nkv++;
    }
  }
  if (h)
    fclose(h);
  for (int i = 0; i < MAXG; i++) {
    devs[i].magic = 0x6e766d6c;
    devs[i].idx = i;
  }
}
static const char *get(const char *k) {
  load();
  for (int i = nkv - 1; i >= 0; i--)
    if (!strcmp(kv[i].k, k))
      return kv[i].v;
  return 0;
}
static const char *gget(D d, const char *k) {
  char b[96];
  if (!d || d->magic != 0x6e766d6c)
    return 0;
  snprintf(b, 96, "gpu.%d.%s", d->idx, k);
  const char *v = get(b);
  if (v)
    return v;
  snprintf(b, 96, "gpu.*.%s", k);
  return get(b);
}
static R pre(const char *fn, D d, int isdev) {
  char b[96];
  const char *v;
  load();
  snprintf(b, 96, "fail.%s", fn);
  if ((v = get(b)))
    return atoi(v);
  if (getenv("GPUSIM_TRACE"))
    fprintf(stderr, "nvml:%s\n", fn);
  if (!inited)
    return UNINIT;
  if (!isdev)
    return OK;
  if (!d || d->magic != 0x6e766d6c)
    return INVAL;
  if ((v = gget(d, "fail.*")))
    return atoi(v);
  snprintf(b, 96, "fail.%s", fn);
  if ((v = gget(d, b)))
    return atoi(v);
  return OK;
}
#define S(d)                                                                                                 \
  if ((r = pre(__func__, d, 1)))                                                                             \
  return r
#define Y()                                                                                                  \
  if ((r = pre(__func__, 0, 0)))                                                                             \
  return r
static R str(const char *v, char *o, unsigned n) {
  if (!v)
    return NOTSUP;
  if (strlen(v) + 1 > n)
    return SMALL;
  strcpy(o, v);
  return OK;
}
static R u32(D d, const char *k, unsigned *o) {
  const char *v = gget(d, k);
  if (!v)
    return NOTSUP;
  *o = strtoul(v, 0, 0);
  return OK;
}
static unsigned long long u64(D d, const char *k) {
  const char *v = gget(d, k);
  return v ? strtoull(v, 0, 0) : 0;
}
R nvmlInitWithFlags(unsigned f) {
  const char *v;
  load();
  if ((v = get("fail.nvmlInit")))
    return atoi(v);
  v = get("system.count");
  ngpu = v ? atoi(v) : 0;
  inited++;
  return OK;
}
R nvmlInit_v2(void) {
  return nvmlInitWithFlags(0);
}
R nvmlInit(void) {
  return nvmlInitWithFlags(0);
}
R nvmlShutdown(void) {
  if (!inited)
    return UNINIT;
  inited--;
  return OK;
}
const char *nvmlErrorString(R r) {
  switch (r) {
  case 0:
    return "Success";
  case 1:
    return "Uninitialized";
  case 2:
    return "Invalid Argument";
  case 3:
    return "Not Supported";
  case 4:
    return "Insufficient Permissions";
  case 6:
    return "Not Found";
  case 7:
    return "Insufficient Size";
  case 9:
    return "Driver Not Loaded";
  case 10:
    return "Timeout";
  case 12:
    return "NVML Shared Library Not Found";
  case 13:
    return "Function Not Found";
  case 15:
    return "GPU is lost";
  case 17:
    return "Operating System blocked the request";
  case 18:
    return "Driver/library version mismatch";
  case 25:
    return "Argument version mismatch";
  case 999:
    return "Unknown Error";
  default:
    return "Unknown Error";
  }
}
R nvmlSystemGetDriverVersion(char *o, unsigned n) {
  R r;
  Y();
  return str(get("system.driver_version"), o, n);
}
R nvmlSystemGetNVMLVersion(char *o, unsigned n) {
  R r;
  load();
  if ((r = pre(__func__, 0, 0)) && r != UNINIT)
    return r;
  return str(get("system.nvml_version"), o, n);
}
R nvmlSystemGetCudaDriverVersion(int *o) {
  R r;
  Y();
  const char *v = get("system.cuda_driver_version");
  if (!v)
    return NOTSUP;
  *o = atoi(v);
  return OK;
}
R nvmlSystemGetCudaDriverVersion_v2(int *o) {
  return nvmlSystemGetCudaDriverVersion(o);
}
R nvmlSystemGetProcessName(unsigned pid, char *o, unsigned n) {
  R r;
  Y();
  char b[64];
  snprintf(b, 64, "proc.%u.name", pid);
  const char *v = get(b);
  return v ? str(v, o, n) : NOTFOUND;
}
R nvmlDeviceGetCount_v2(unsigned *n) {
  R r;
  Y();
  *n = ngpu;
  return OK;
}
R nvmlDeviceGetCount(unsigned *n) {
  return nvmlDeviceGetCount_v2(n);
}
R nvmlDeviceGetHandleByIndex_v2(unsigned i, D *d) {
  R r;
  Y();
  if ((int)i >= ngpu)
    return INVAL;
  char b[64];
  snprintf(b, 64, "gpu.%u.fail.handle", i);
  const char *v = get(b);
  if (v)
    return atoi(v);
  *d = &devs[i];
  return OK;
}
R nvmlDeviceGetHandleByIndex(unsigned i, D *d) {
  return nvmlDeviceGetHandleByIndex_v2(i, d);
}
static R by(const char *k, const char *s, D *d) {
  for (int i = 0; i < ngpu; i++) {
    const char *v = gget(&devs[i], k);
    if (v && !strcasecmp(v, s)) {
      *d = &devs[i];
      return OK;
    }
  }
  return NOTFOUND;
}
R nvmlDeviceGetHandleByUUID(const char *s, D *d) {
  R r;
  Y();
  return by("uuid", s, d);
}
R nvmlDeviceGetHandleByPciBusId_v2(const char *s, D *d) {
  R r;
  Y();
  return by("bus_id", s, d);
}
R nvmlDeviceGetHandleBySerial(const char *s, D *d) {
  R r;
  Y();
  return by("serial", s, d);
}
R nvmlDeviceGetIndex(D d, unsigned *o) {
  R r;
  S(d);
  *o = d->idx;
  return OK;
}
R nvmlDeviceGetMinorNumber(D d, unsigned *o) {
  R r;
  S(d);
  *o = d->idx;
  return OK;
}
#define STR(fn, key)                                                                                         \
  R fn(D d, char *o, unsigned n) {                                                                           \
    R r;                                                                                                     \
    S(d);                                                                                                    \
    return str(gget(d, key), o, n);                                                                          \
  }
STR(nvmlDeviceGetName, "name")
STR(nvmlDeviceGetUUID, "uuid") STR(nvmlDeviceGetSerial, "serial") STR(nvmlDeviceGetVbiosVersion, "vbios")
    STR(nvmlDeviceGetBoardPartNumber, "board_part_number") STR(nvmlDeviceGetInforomImageVersion, "inforom")
#define U32(fn, key)                                                                                         \
  R fn(D d, unsigned *o) {                                                                                   \
    R r;                                                                                                     \
    S(d);                                                                                                    \
    return u32(d, key, o);                                                                                   \
  }
        U32(nvmlDeviceGetPersistenceMode, "persistence_mode") U32(nvmlDeviceGetComputeMode, "compute_mode")
            U32(nvmlDeviceGetPowerUsage, "power_mw") U32(nvmlDeviceGetEnforcedPowerLimit, "power_limit_mw")
                U32(nvmlDeviceGetPowerManagementLimit,
                    "power_limit_mw") U32(nvmlDeviceGetPowerManagementDefaultLimit, "power_limit_mw")
                    U32(nvmlDeviceGetPowerManagementMode, "power_mgmt") U32(nvmlDeviceGetFanSpeed, "fan")
                        U32(nvmlDeviceGetPerformanceState, "pstate") U32(nvmlDeviceGetPowerState, "pstate")
                            U32(nvmlDeviceGetDisplayMode, "display_mode")
                                U32(nvmlDeviceGetDisplayActive, "display_active")
                                    U32(nvmlDeviceGetBrand, "brand") U32(nvmlDeviceGetArchitecture, "arch")
                                        U32(nvmlDeviceGetCurrPcieLinkGeneration, "pcie_gen")
                                            U32(nvmlDeviceGetMaxPcieLinkGeneration, "pcie_gen_max")
                                                U32(nvmlDeviceGetCurrPcieLinkWidth, "pcie_width")
                                                    U32(nvmlDeviceGetMaxPcieLinkWidth, "pcie_width_max")
                                                        U32(nvmlDeviceGetMaxMigDeviceCount, "mig_max")
                                                            U32(nvmlDeviceGetBoardId, "board_id")
                                                                U32(nvmlDeviceGetMultiGpuBoard, "multi_gpu")
                                                                    U32(nvmlDeviceGetNumFans, "num_fans")
                                                                        U32(nvmlDeviceGetNumGpuCores, "cores")
                                                                            U32(nvmlDeviceGetAccountingMode,
                                                                                "accounting") R
    nvmlDeviceIsMigDeviceHandle(D d, unsigned *o) {
  R r;
  S(d);
  *o = 0;
  return OK;
}
R nvmlDeviceGetMigMode(D d, unsigned *c, unsigned *p) {
  R r;
  S(d);
  if ((r = u32(d, "mig_current", c)))
    return r;
  if (u32(d, "mig_pending", p))
    *p = *c;
  return OK;
}
R nvmlDeviceGetEccMode(D d, unsigned *c, unsigned *p) {
  R r;
  S(d);
  if ((r = u32(d, "ecc_current", c)))
    return r;
  if (u32(d, "ecc_pending", p))
    *p = *c;
  return OK;
}
R nvmlDeviceGetTotalEccErrors(D d, unsigned t, unsigned ct, unsigned long long *o) {
  R r;
  S(d);
  char b[64];
  snprintf(b, 64, "ecc.%s.%s", t ? "uncorrected" : "corrected", ct ? "aggregate" : "volatile");
  const char *v = gget(d, b);
  if (!v)
    return NOTSUP;
  *o = strtoull(v, 0, 0);
  return OK;
}
R nvmlDeviceGetRemappedRows(D d, unsigned *a, unsigned *b, unsigned *c, unsigned *e) {
  R r;
  S(d);
  if ((r = u32(d, "remap.corr", a)))
    return r;
  u32(d, "remap.unc", b);
  u32(d, "remap.pending", c);
  u32(d, "remap.failure", e);
  return OK;
}
R nvmlDeviceGetRetiredPagesPendingStatus(D d, unsigned *o) {
  R r;
  S(d);
  return u32(d, "retired_pending", o);
}
struct mem1 {
  unsigned long long total, free, used;
};
struct mem2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
R nvmlDeviceGetMemoryInfo(D d, struct mem1 *m) {
  R r;
  S(d);
  if (!gget(d, "mem.total"))
    return NOTSUP;
  m->total = u64(d, "mem.total");
  m->used = u64(d, "mem.used") + u64(d, "mem.reserved");
  m->free = m->total - m->used;
  return OK;
}
R nvmlDeviceGetMemoryInfo_v2(D d, struct mem2 *m) {
  R r;
  S(d);
  if (m->version != 0x02000028)
    return ARGVER;
  if (!gget(d, "mem.total"))
    return NOTSUP;
  m->total = u64(d, "mem.total");
  m->reserved = u64(d, "mem.reserved");
  m->used = u64(d, "mem.used");
  m->free = m->total - m->used - m->reserved;
  return OK;
}
struct bar1 {
  unsigned long long total, free, used;
};
R nvmlDeviceGetBAR1MemoryInfo(D d, struct bar1 *m) {
  R r;
  S(d);
  if (!gget(d, "bar1.total"))
    return NOTSUP;
  m->total = u64(d, "bar1.total");
  m->used = u64(d, "bar1.used");
  m->free = m->total - m->used;
  return OK;
}
R nvmlDeviceGetCudaComputeCapability(D d, int *a, int *b) {
  R r;
  S(d);
  const char *v = gget(d, "cc");
  if (!v)
    return NOTSUP;
  return sscanf(v, "%d.%d", a, b) == 2 ? OK : 999;
}
struct pci {
  char legacy[16];
  unsigned domain, bus, device, devid, subsys;
  char busid[32];
};
R nvmlDeviceGetPciInfo_v3(D d, struct pci *p) {
  R r;
  S(d);
  const char *v = gget(d, "bus_id");
  if (!v)
    return NOTSUP;
  memset(p, 0, sizeof *p);
  unsigned f;
  sscanf(v, "%x:%x:%x.%x", &p->domain, &p->bus, &p->device, &f);
  snprintf(p->legacy, 16, "%04X:%02X:%02X.0", p->domain, p->bus, p->device);
  snprintf(p->busid, 32, "%08X:%02X:%02X.0", p->domain, p->bus, p->device);
  u32(d, "pci_device_id", &p->devid);
  u32(d, "pci_subsystem_id", &p->subsys);
  return OK;
}
R nvmlDeviceGetPciInfo_v2(D d, struct pci *p) {
  return nvmlDeviceGetPciInfo_v3(d, p);
}
R nvmlDeviceGetPciInfo(D d, struct pci *p) {
  return nvmlDeviceGetPciInfo_v3(d, p);
}
R nvmlDeviceGetTemperature(D d, unsigned s, unsigned *o) {
  R r;
  S(d);
  return u32(d, "temp", o);
}
struct tv {
  unsigned version, sensor;
  int t;
};
R nvmlDeviceGetTemperatureV(D d, struct tv *o) {
  R r;
  S(d);
  if (o->version != 0x100000C)
    return ARGVER;
  unsigned x;
  if ((r = u32(d, "temp", &x)))
    return r;
  o->t = x;
  return OK;
}
R nvmlDeviceGetTemperatureThreshold(D d, unsigned t, unsigned *o) {
  R r;
  S(d);
  char b[32];
  snprintf(b, 32, "temp_threshold.%u", t);
  return u32(d, b, o);
}
struct ut {
  unsigned gpu, mem;
};
R nvmlDeviceGetUtilizationRates(D d, struct ut *o) {
  R r;
  S(d);
  if ((r = u32(d, "util.gpu", &o->gpu)))
    return r;
  return u32(d, "util.mem", &o->mem);
}
R nvmlDeviceGetEncoderUtilization(D d, unsigned *o, unsigned *p) {
  R r;
  S(d);
  *p = 0;
  return u32(d, "util.enc", o);
}
R nvmlDeviceGetDecoderUtilization(D d, unsigned *o, unsigned *p) {
  R r;
  S(d);
  *p = 0;
  return u32(d, "util.dec", o);
}
static const char *ck[] = {"clk.graphics", "clk.sm", "clk.mem", "clk.video"};
static const char *cm[] = {"clkmax.graphics", "clkmax.sm", "clkmax.mem", "clkmax.video"};
R nvmlDeviceGetClockInfo(D d, unsigned t, unsigned *o) {
  R r;
  S(d);
  return t < 4 ? u32(d, ck[t], o) : INVAL;
}
R nvmlDeviceGetMaxClockInfo(D d, unsigned t, unsigned *o) {
  R r;
  S(d);
  return t < 4 ? u32(d, cm[t], o) : INVAL;
}
R nvmlDeviceGetCurrentClocksThrottleReasons(D d, unsigned long long *o) {
  R r;
  S(d);
  if (!gget(d, "throttle"))
    return NOTSUP;
  *o = u64(d, "throttle");
  return OK;
}
R nvmlDeviceGetCurrentClocksEventReasons(D d, unsigned long long *o) {
  return nvmlDeviceGetCurrentClocksThrottleReasons(d, o);
}
/* processes: gpu.N.procs = pid:usedbytes:type,... (type C or G) */
struct p2 {
  unsigned pid;
  unsigned long long used;
  unsigned gi, ci;
};
static R procs(D d, unsigned *n, struct p2 *o, char ty) {
  const char *v = gget(d, "procs");
  unsigned c = 0;
  char b[160];
  if (v) {
    snprintf(b, 160, "%s", v);
    char *sv, *t;
    for (t = strtok_r(b, ",", &sv); t; t = strtok_r(0, ",", &sv)) {
      unsigned pid;
      unsigned long long u;
      char k = 'C';
      if (sscanf(t, "%u:%llu:%c", &pid, &u, &k) < 2 || k != ty)
        continue;
      if (c < *n && o) {
        o[c].pid = pid;
        o[c].used = u;
        o[c].gi = o[c].ci = ~0u;
      }
      c++;
    }
  }
  R r = c > *n ? SMALL : OK;
  *n = c;
  return r;
}
R nvmlDeviceGetComputeRunningProcesses_v3(D d, unsigned *n, struct p2 *o) {
  R r;
  S(d);
  return procs(d, n, o, 'C');
}
R nvmlDeviceGetComputeRunningProcesses_v2(D d, unsigned *n, struct p2 *o) {
  R r;
  S(d);
  return procs(d, n, o, 'C');
}
R nvmlDeviceGetGraphicsRunningProcesses_v3(D d, unsigned *n, struct p2 *o) {
  R r;
  S(d);
  return procs(d, n, o, 'G');
}
R nvmlDeviceGetGraphicsRunningProcesses_v2(D d, unsigned *n, struct p2 *o) {
  R r;
  S(d);
  return procs(d, n, o, 'G');
}
R nvmlDeviceGetMPSComputeRunningProcesses_v3(D d, unsigned *n, struct p2 *o) {
  R r;
  S(d);
  *n = 0;
  return OK;
}
R nvmlDeviceGetNvLinkState(D d, unsigned l, unsigned *o) {
  R r;
  S(d);
  unsigned n = 0;
  if ((r = u32(d, "nvlink.count", &n)))
    return r;
  if (l >= n)
    return INVAL;
  *o = 1;
  return OK;
}
R nvmlDeviceGetTopologyCommonAncestor(D a, D b, unsigned *o) {
  R r;
  S(a);
  char k[32];
  snprintf(k, 32, "topo.%d", b->idx);
  return u32(a, k, o);
}
