/** A link of a circular list without an owner. Code that holds the link can remove it in constant time. */
export class Link {
  previous: Link = this;
  next: Link = this;

  /** Removes this link from its list. */
  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
  }

  /** Moves this link to the end of the list with the head `head`. */
  appendTo(head: Link): void {
    this.unlink();
    this.previous = head.previous;
    this.next = head;
    head.previous.next = this;
    head.previous = this;
  }

  /** Moves the whole list with this head to the end of the list with the head `head`, in constant time. */
  emptyInto(head: Link): void {
    if (this.next === this) return;
    head.previous.next = this.next;
    this.next.previous = head.previous;
    head.previous = this.previous;
    this.previous.next = head;
    this.previous = this;
    this.next = this;
  }
}
