// What is kept as long as there is room; what was not asked for longest makes way.

export class Kept<T> {
  private readonly entries = new Map<string, T>(); // in the order they were last asked for
  private used = 0;

  constructor(
    private readonly room: number,
    private readonly sizeOf: (value: T) => number = () => 1,
  ) {}

  get(key: string): T | undefined {
    const value = this.entries.get(key);
    if (value !== undefined) {
      this.entries.delete(key);
      this.entries.set(key, value);
    }
    return value;
  }

  put(key: string, value: T): void {
    this.drop(key);
    this.entries.set(key, value);
    this.used += this.sizeOf(value);
    for (const [oldest] of this.entries) {
      if (this.used <= this.room || oldest === key) break;
      this.drop(oldest);
    }
  }

  all(): T[] {
    return [...this.entries.values()];
  }

  private drop(key: string): void {
    const value = this.entries.get(key);
    if (value === undefined) return;
    this.used -= this.sizeOf(value);
    this.entries.delete(key);
  }
}
